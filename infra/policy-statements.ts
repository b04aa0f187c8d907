/** A role with its rights, and the rights as statements of its policy: each names what it is for, and no more than that. */
import { isBatched, lastLevel, type Chain, type Level } from '../shared/engine/chain/chain.ts';
import { donePrefix, failurePrefix, recordPrefixes, successName } from '../shared/engine/chain/keys.ts';
import type { Deployment } from './deployment.ts';
import { arnOf, bucketArn, functionId, functionName, objectArn, queueId, roleId } from './names.ts';
import type { Resources } from './resources.ts';

export type Statement = Readonly<Record<string, unknown>>;

export function roleOf(deployment: Deployment, name: string, ...statements: readonly Statement[]): Resources {
  const log = `arn:\${AWS::Partition}:logs:\${AWS::Region}:\${AWS::AccountId}:log-group:/aws/lambda/${functionName(deployment, name)}:*`;
  const writeItsLog = allow('WriteItsLog', ['logs:CreateLogStream', 'logs:PutLogEvents'], { 'Fn::Sub': log });
  return {
    [roleId(name)]: {
      Type: 'AWS::IAM::Role',
      Properties: {
        AssumeRolePolicyDocument: assumedByLambda,
        Policies: [
          {
            PolicyName: name,
            PolicyDocument: { Version: '2012-10-17', Statement: [writeItsLog, ...statements] },
          },
        ],
      },
    },
  };
}

const assumedByLambda = {
  Version: '2012-10-17',
  Statement: [{ Effect: 'Allow', Principal: { Service: 'lambda.amazonaws.com' }, Action: 'sts:AssumeRole' }],
};

export function allow(Sid: string, Action: string | readonly string[], Resource: unknown): Statement {
  return { Sid, Effect: 'Allow', Action, Resource };
}

/** @param prefixes or patterns of keys */
export function readObjects(deployment: Deployment, sid: string, prefixes: readonly string[]): Statement {
  return allow(
    sid,
    's3:GetObject',
    [...new Set(prefixes)].map((prefix) => objectArn(deployment, prefix.includes('*') ? prefix : `${prefix}/*`)),
  );
}

export function writeObjects(deployment: Deployment, sid: string, keys: readonly string[]): Statement {
  const arns = keys.map((key) => objectArn(deployment, key));
  return allow(sid, 's3:PutObject', arns.length === 1 ? arns[0] : arns);
}

/** Only with If-None-Match: what exists is never overwritten, whatever the code does (page conditional-writes-enforce). */
export function createObjects(deployment: Deployment, sid: string, keys: readonly string[]): Statement {
  return { ...writeObjects(deployment, sid, keys), Condition: { Null: { 's3:if-none-match': 'false' } } };
}

/**
 * Without it, S3 answers 403 instead of 404 for an object that does not exist (pages API_GetObject, API_HeadObject), and no
 * condition on s3:prefix may be put on it: these requests carry no prefix.
 */
export function listBucket(deployment: Deployment, sid: string): Statement {
  return allow(sid, 's3:ListBucket', bucketArn(deployment));
}

/** A run that was complete may be so no more: its seed was dropped again, or an object deleted. */
export function removeMarkers(deployment: Deployment): Statement {
  const markers = [`${recordPrefixes.finished}/*.json`, successMarkers(deployment.chain)];
  return allow(
    'RemoveMarkers',
    's3:DeleteObject',
    markers.map((key) => objectArn(deployment, key)),
  );
}

export const successMarkers = (chain: Chain): string => `${lastLevel(chain).writes}/*/${successName}`;

/**
 * A level with many children keeps receipts; the last level's result is its receipt, and is only listed. A batch and its parts
 * say in their metadata what they hold.
 */
export const recordsOf = (level: Level): string[] => [
  ...(level.children === 'many' ? [donePrefix(level)] : []),
  ...(isBatched(level) ? [level.reads, `${level.writes}/*${level.suffix}`] : []),
  failurePrefix(level),
];

export const send = (sid: string, id: string): Statement => allow(sid, 'sqs:SendMessage', arnOf(id));

/** Lambda polls with the function's role; the function says how long a message that failed stays away. */
export function takeMessages(level: Level): Statement[] {
  const queue = arnOf(queueId(level, 'trigger'));
  return [
    allow('TakeMessages', ['sqs:ReceiveMessage', 'sqs:DeleteMessage', 'sqs:GetQueueAttributes'], queue),
    allow('PostponeMessages', 'sqs:ChangeMessageVisibility', queue),
  ];
}

/** Secrets Manager puts six characters of its own behind a secret's name. */
export function readTheToken(secret: string): Statement {
  return allow('ReadTheToken', 'secretsmanager:GetSecretValue', {
    'Fn::Sub': `arn:\${AWS::Partition}:secretsmanager:\${AWS::Region}:\${AWS::AccountId}:secret:${secret}-??????`,
  });
}

/** An item's event goes where S3 would send it. */
export function refireItems({ chain, parameters }: Deployment): Statement {
  const { levels } = chain;
  return parameters.trigger === 'queue'
    ? allow(
        'RefireItems',
        'sqs:SendMessage',
        levels.map((level) => arnOf(queueId(level, 'trigger'))),
      )
    : refireEvents('RefireItems', levels);
}

export function refireEvents(sid: string, levels: readonly Level[]): Statement {
  return allow(
    sid,
    'lambda:InvokeFunction',
    levels.map((level) => arnOf(functionId(level.function))),
  );
}

export function drain({ chain }: Deployment, kind: 'dead-letters' | 'waiting', more: readonly Level[] = []): Statement {
  return allow(
    kind === 'dead-letters' ? 'DrainDeadLetters' : 'DrainWaiting',
    ['sqs:ReceiveMessage', 'sqs:DeleteMessage', 'sqs:ChangeMessageVisibility', 'sqs:GetQueueAttributes'],
    [...chain.levels, ...more].map((level) => arnOf(queueId(level, kind))),
  );
}
