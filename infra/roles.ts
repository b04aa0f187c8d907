/**
 * A role for each function, with the rights that it needs and no other. A right to write names what is written, by prefix and
 * suffix: so no fetch function may write a success marker. docs/decisions/0016-rights.md says why listings are not bound.
 */
import { firstLevel, isBatched, lastLevel, nextLevel, type Chain, type Level } from '../shared/engine/chain/chain.ts';
import {
  apiLimitKey,
  donePrefix,
  failurePrefix,
  freezeKey,
  lastGoodRateKey,
  recordPrefixes,
  runControlPrefix,
  sharesKey,
  successName,
} from '../shared/engine/chain/keys.ts';
import { sharedRateKeys } from '../shared/engine/rate/rate-place.ts';
import { publishLevels, type PublishLevels } from '../shared/engine/publish/publish-levels.ts';
import { tablesOf } from '../shared/engine/publish/tables.ts';
import type { Deployment } from './deployment.ts';
import { arnOf, bucketArn, functionId, functionName, objectArn, queueId, roleId, sharedArn } from './names.ts';
import { publishLevelsOf } from './publishing.ts';
import { merge, type Resources } from './resources.ts';

type Statement = Readonly<Record<string, unknown>>;

export function roles(deployment: Deployment): Resources {
  const { chain } = deployment;
  const refire = refireItems(deployment);
  const list = listBucket(deployment, 'List');
  const read = (sid: string, ...prefixes: readonly string[]): Statement => readObjects(deployment, sid, prefixes);
  const write = (sid: string, ...keys: readonly string[]): Statement => writeObjects(deployment, sid, keys);
  const { control, reports, finished } = recordPrefixes;
  const seeds = firstLevel(chain).reads;
  const readReports = read('ReadReports', reports);
  const readControl = [read('ReadControl', control), ...readSharedRate(deployment)];
  const noteFailures = write('NoteFailures', `${recordPrefixes.failures}/*.json`);
  const seeSeeds = read('SeeSeeds', seeds);
  // A census lists items and results, and reads what the records say of them.
  const takeACensus = read('TakeACensus', ...chain.levels.flatMap(recordsOf));
  const publishing = publishLevelsOf(deployment);
  const refirePublishing = publishing.length === 0 ? [] : [refireEvents('RefirePublishing', publishing)];
  return merge(
    ...chain.levels.map((level) => fetchRole(deployment, level)),
    roleOf(
      deployment,
      'replay',
      drain(deployment, 'dead-letters', publishing),
      refire,
      ...refirePublishing,
      // The item itself, and whether it is done.
      read(
        'LookAtItems',
        ...[...chain.levels, ...publishing].flatMap((level) => [level.reads, donePrefix(level), failurePrefix(level)]),
      ),
      noteFailures,
      read('SeeStoppedRuns', runControlPrefix),
      list,
    ),
    roleOf(
      deployment,
      'sweep',
      refire,
      ...refirePublishing,
      ...lookAtPublications(deployment, (piece) => [donePrefix(piece)]),
      seeSeeds,
      takeACensus,
      noteFailures,
      readReports,
      allow('CompareWithMarkers', 's3:GetObject', objectArn(deployment, successMarkers(chain))),
      ...readControl,
      write('WriteReportsAndMarkers', `${reports}/*.json`, `${finished}/*.json`, successMarkers(chain)),
      removeMarkers(deployment),
      list,
    ),
    roleOf(
      deployment,
      'rate',
      ...readControl,
      write('KeepTheLastGoodRate', lastGoodRateKey),
      drain(deployment, 'waiting'),
      refire,
      list,
    ),
    roleOf(
      deployment,
      'status',
      seeSeeds,
      takeACensus,
      readReports,
      ...readControl,
      ...(publishing.length === 0
        ? []
        : [
            ...lookAtPublications(deployment, () => []),
            allow('SeeSuccess', 's3:GetObject', objectArn(deployment, successMarkers(chain))),
          ]),
      list,
    ),
    publishRoles(deployment),
  );
}

/** How far publishing is, and what it failed at. @param more prefixes, by the level of the pieces */
function lookAtPublications(deployment: Deployment, more: (piece: Level) => readonly string[]): Statement[] {
  const publishing = publishLevelsOf(deployment);
  const piece = publishing.at(-1);
  if (piece === undefined) return [];
  const prefixes = [recordPrefixes.publications, ...publishing.map(failurePrefix), ...more(piece)];
  return [readObjects(deployment, 'LookAtPublications', prefixes)];
}

function publishRoles(deployment: Deployment): Resources {
  const levels = deployment.parameters.publish ? publishLevels(deployment.chain) : undefined;
  return levels === undefined ? {} : merge(publishRole(deployment, levels), publishPieceRole(deployment, levels));
}

/** Nothing of it writes a table: a piece's function does. */
function publishRole(deployment: Deployment, { publish, piece }: PublishLevels): Resources {
  const { publications, tables } = recordPrefixes;
  const results = tablesOf(deployment.chain).map(({ level }) => level.writes);
  return roleOf(
    deployment,
    publish.function,
    readObjects(deployment, 'ReadResults', [publish.reads, ...results]),
    readObjects(deployment, 'ReadRecords', [
      publications,
      tables,
      donePrefix(publish),
      failurePrefix(publish),
      piece.reads,
    ]),
    createObjects(deployment, 'WritePieces', [`${piece.reads}/*.json`]),
    writeObjects(deployment, 'WriteRecords', [
      ...[publications, donePrefix(publish), failurePrefix(publish)].map((prefix) => `${prefix}/*.json`),
    ]),
    removeTableMarkers(deployment),
    listBucket(deployment, 'List'),
    send('SendDeadLetters', queueId(publish, 'dead-letters')),
  );
}

function publishPieceRole(deployment: Deployment, { piece }: PublishLevels): Resources {
  const { publications, tables } = recordPrefixes;
  const results = tablesOf(deployment.chain).map(({ level }) => level.writes);
  return roleOf(
    deployment,
    piece.function,
    readObjects(deployment, 'ReadPieces', [piece.reads, ...results]),
    readObjects(deployment, 'ReadRecords', [publications, tables, donePrefix(piece), failurePrefix(piece)]),
    writeObjects(deployment, 'WriteTables', [
      `${tables}/*.parquet`,
      `${tables}/*/_manifest.json`,
      `${tables}/*/${successName}`,
    ]),
    writeObjects(deployment, 'WriteRecords', [
      ...[publications, donePrefix(piece), failurePrefix(piece)].map((prefix) => `${prefix}/*.json`),
    ]),
    removeTableMarkers(deployment),
    allow('RemovePieces', 's3:DeleteObject', objectArn(deployment, `${piece.reads}/*.json`)),
    listBucket(deployment, 'List'),
    send('SendDeadLetters', queueId(piece, 'dead-letters')),
  );
}

/** A table whose parts are written anew is not there until they are. */
function removeTableMarkers(deployment: Deployment): Statement {
  const markers = objectArn(deployment, `${recordPrefixes.tables}/*/${successName}`);
  return allow('RemoveTableMarkers', 's3:DeleteObject', markers);
}

function fetchRole(deployment: Deployment, level: Level): Resources {
  const { chain, parameters } = deployment;
  const { params, control } = recordPrefixes;
  const isFirst = level.name === firstLevel(chain).name;
  const failures = failurePrefix(level);
  const done = donePrefix(level);
  const next = nextLevel(chain, level);
  const created = [`${level.writes}/*${level.suffix}`, ...(isFirst ? [`${params}/*.json`] : [])];
  const records = [
    ...(level.children === 'many' ? [`${done}/*.json`] : []),
    `${failures}/*.json`,
    ...(parameters.rateBucket === undefined ? rateRecords(deployment) : []),
  ];
  return roleOf(
    deployment,
    level.function,
    readObjects(deployment, 'ReadItems', [level.reads, done, failures, params, control]),
    // A number that is taken: what is in that batch, and which results are there of batches that were deleted.
    ...(next !== undefined && isBatched(next)
      ? [readObjects(deployment, 'ReadBatches', [level.writes, `${next.writes}/*${next.suffix}`])]
      : []),
    createObjects(deployment, 'WriteChildren', created),
    writeObjects(deployment, 'WriteRecords', records),
    ...readSharedRate(deployment),
    ...writeSharedRate(deployment),
    // A seed that is expanded anew makes its run incomplete.
    ...(isFirst ? [removeMarkers(deployment)] : []),
    listBucket(deployment, 'TellMissingFromForbidden'),
    // Lambda sends to the failure destination with this role, and deletes the event if it may not. The function sends what
    // must not wait for the retries.
    send('SendDeadLetters', queueId(level, 'dead-letters')),
    send('RequeueItems', queueId(level, 'waiting')),
    ...(parameters.trigger === 'queue' ? takeMessages(level) : []),
    ...(parameters.apiTokenSecret === undefined ? [] : [readTheToken(parameters.apiTokenSecret)]),
  );
}

/** What the calls of all environments depend on. A person may set the rate to auto, whatever number is deployed. */
function rateRecords({ parameters }: Deployment): string[] {
  return parameters.rate === 'unlimited' ? [freezeKey] : [freezeKey, sharesKey, apiLimitKey];
}

/** Of a bucket that may be another stage's, or another account's: these objects and no others. */
function readSharedRate(deployment: Deployment): Statement[] {
  if (deployment.parameters.rateBucket === undefined) return [];
  const objects = sharedRateKeys.map((key) => sharedArn(deployment, key));
  return [
    allow('ReadSharedRate', 's3:GetObject', objects),
    // As in `listBucket`: otherwise an object that is not there yet is a refusal.
    allow('TellMissingFromForbiddenThere', 's3:ListBucket', sharedArn(deployment)),
  ];
}

function writeSharedRate(deployment: Deployment): Statement[] {
  if (deployment.parameters.rateBucket === undefined) return [];
  const objects = rateRecords(deployment).map((key) => sharedArn(deployment, key));
  return [allow('WriteSharedRate', 's3:PutObject', objects.length === 1 ? objects[0] : objects)];
}

function roleOf(deployment: Deployment, name: string, ...statements: readonly Statement[]): Resources {
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

function allow(Sid: string, Action: string | readonly string[], Resource: unknown): Statement {
  return { Sid, Effect: 'Allow', Action, Resource };
}

/** @param prefixes or patterns of keys */
function readObjects(deployment: Deployment, sid: string, prefixes: readonly string[]): Statement {
  return allow(
    sid,
    's3:GetObject',
    [...new Set(prefixes)].map((prefix) => objectArn(deployment, prefix.includes('*') ? prefix : `${prefix}/*`)),
  );
}

function writeObjects(deployment: Deployment, sid: string, keys: readonly string[]): Statement {
  const arns = keys.map((key) => objectArn(deployment, key));
  return allow(sid, 's3:PutObject', arns.length === 1 ? arns[0] : arns);
}

/** Only with If-None-Match: what exists is never overwritten, whatever the code does (page conditional-writes-enforce). */
function createObjects(deployment: Deployment, sid: string, keys: readonly string[]): Statement {
  return { ...writeObjects(deployment, sid, keys), Condition: { Null: { 's3:if-none-match': 'false' } } };
}

/**
 * Without it, S3 answers 403 instead of 404 for an object that does not exist (pages API_GetObject, API_HeadObject), and no
 * condition on s3:prefix may be put on it: these requests carry no prefix.
 */
function listBucket(deployment: Deployment, sid: string): Statement {
  return allow(sid, 's3:ListBucket', bucketArn(deployment));
}

/** A run that was complete may be so no more: its seed was dropped again, or an object deleted. */
function removeMarkers(deployment: Deployment): Statement {
  const markers = [`${recordPrefixes.finished}/*.json`, successMarkers(deployment.chain)];
  return allow(
    'RemoveMarkers',
    's3:DeleteObject',
    markers.map((key) => objectArn(deployment, key)),
  );
}

const successMarkers = (chain: Chain): string => `${lastLevel(chain).writes}/*/${successName}`;

/**
 * A level with many children keeps receipts; the last level's result is its receipt, and is only listed. A batch and its parts
 * say in their metadata what they hold.
 */
const recordsOf = (level: Level): string[] => [
  ...(level.children === 'many' ? [donePrefix(level)] : []),
  ...(isBatched(level) ? [level.reads, `${level.writes}/*${level.suffix}`] : []),
  failurePrefix(level),
];

const send = (sid: string, id: string): Statement => allow(sid, 'sqs:SendMessage', arnOf(id));

/** Lambda polls with the function's role; the function says how long a message that failed stays away. */
function takeMessages(level: Level): Statement[] {
  const queue = arnOf(queueId(level, 'trigger'));
  return [
    allow('TakeMessages', ['sqs:ReceiveMessage', 'sqs:DeleteMessage', 'sqs:GetQueueAttributes'], queue),
    allow('PostponeMessages', 'sqs:ChangeMessageVisibility', queue),
  ];
}

/** Secrets Manager puts six characters of its own behind a secret's name. */
function readTheToken(secret: string): Statement {
  return allow('ReadTheToken', 'secretsmanager:GetSecretValue', {
    'Fn::Sub': `arn:\${AWS::Partition}:secretsmanager:\${AWS::Region}:\${AWS::AccountId}:secret:${secret}-??????`,
  });
}

/** An item's event goes where S3 would send it. */
function refireItems({ chain, parameters }: Deployment): Statement {
  const { levels } = chain;
  return parameters.trigger === 'queue'
    ? allow(
        'RefireItems',
        'sqs:SendMessage',
        levels.map((level) => arnOf(queueId(level, 'trigger'))),
      )
    : refireEvents('RefireItems', levels);
}

function refireEvents(sid: string, levels: readonly Level[]): Statement {
  return allow(
    sid,
    'lambda:InvokeFunction',
    levels.map((level) => arnOf(functionId(level.function))),
  );
}

function drain({ chain }: Deployment, kind: 'dead-letters' | 'waiting', more: readonly Level[] = []): Statement {
  return allow(
    kind === 'dead-letters' ? 'DrainDeadLetters' : 'DrainWaiting',
    ['sqs:ReceiveMessage', 'sqs:DeleteMessage', 'sqs:ChangeMessageVisibility', 'sqs:GetQueueAttributes'],
    [...chain.levels, ...more].map((level) => arnOf(queueId(level, kind))),
  );
}
