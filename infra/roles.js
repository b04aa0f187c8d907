/** A role for each function, with the rights that it needs and no other. */
import { chain } from '../shared/engine/chain/chain.ts';
import {
  arnOf,
  bucketArn,
  deadLettersOf,
  functionNameOf,
  functionOf,
  logicalId,
  object,
  objects,
  triggerOf,
  waitingOf,
} from './names.js';
import { readRate } from './rate.js';

const assumedByLambda = {
  Version: '2012-10-17',
  Statement: [{ Effect: 'Allow', Principal: { Service: 'lambda.amazonaws.com' }, Action: 'sts:AssumeRole' }],
};

const allow = (Sid, Action, Resource) => ({ Sid, Effect: 'Allow', Action, Resource });

const roleOf = (name, ...statements) => ({
  [`${logicalId(name)}Role`]: {
    Type: 'AWS::IAM::Role',
    Properties: {
      AssumeRolePolicyDocument: assumedByLambda,
      Policies: [
        {
          PolicyName: name,
          PolicyDocument: { Version: '2012-10-17', Statement: [writeItsLog(name), ...statements.flat()] },
        },
      ],
    },
  },
});

const writeItsLog = (name) =>
  allow('WriteItsLog', ['logs:CreateLogStream', 'logs:PutLogEvents'], {
    'Fn::Sub': `arn:\${AWS::Partition}:logs:\${AWS::Region}:\${AWS::AccountId}:log-group:/aws/lambda/${functionNameOf(name)}:*`,
  });

/** Without it, S3 answers 403 instead of 404 for an object that is not there (page API_GetObject). */
const tellMissingFromForbidden = allow('TellMissingFromForbidden', 's3:ListBucket', bucketArn);

/** A level with many children keeps receipts; a leaf's result is its receipt, so that is looked for instead. */
const doneUnder = ({ level, writes, children }) => (children === 'many' ? `receipts/${level}` : writes);

const successMarkers = chain
  .filter(({ children }) => children === 'one')
  .map(({ writes }) => object(`${writes}/*/_SUCCESS`));

// A run that was complete may be no more: its seed was dropped again, or an object deleted.
const removeMarkers = allow('RemoveMarkers', 's3:DeleteObject', [...objects('finished'), ...successMarkers]);

function fetchRole(row, trigger) {
  const { level, reads, writes, function: name } = row;
  const isDone = doneUnder(row);
  const queue = arnOf(triggerOf(level));
  return roleOf(
    name,
    allow('ReadItems', 's3:GetObject', objects(reads, isDone, `failures/${level}`, 'control')),
    allow('WriteChildren', 's3:PutObject', [
      ...objects(...new Set([writes, isDone, `failures/${level}`])),
      object('control/freeze.json'),
    ]),
    // A seed that is expanded anew makes its run incomplete.
    row.ids.length === 0 ? [removeMarkers] : [],
    tellMissingFromForbidden,
    // Lambda sends to the failure destination with this role, and deletes the event if it may not. The function sends what
    // must not wait for the retries.
    allow('SendDeadLetters', 'sqs:SendMessage', arnOf(deadLettersOf(level))),
    allow('HandBackItems', 'sqs:SendMessage', arnOf(waitingOf(level))),
    trigger === 'queue'
      ? [
          // Lambda polls with this role; the function says how long a message that failed stays away.
          allow('TakeMessages', ['sqs:ReceiveMessage', 'sqs:DeleteMessage', 'sqs:GetQueueAttributes'], queue),
          allow('PostponeMessages', 'sqs:ChangeMessageVisibility', queue),
        ]
      : [],
    allow('ReadTheToken', 'secretsmanager:GetSecretValue', {
      'Fn::Sub':
        'arn:${AWS::Partition}:secretsmanager:${AWS::Region}:${AWS::AccountId}:secret:${param:hermesTokenSecret}-??????',
    }),
  );
}

const giveItemsAgain = (trigger) =>
  trigger === 'queue'
    ? allow(
        'GiveItemsAgain',
        'sqs:SendMessage',
        chain.map(({ level }) => arnOf(triggerOf(level))),
      )
    : allow(
        'GiveItemsAgain',
        'lambda:InvokeFunction',
        chain.map(({ function: name }) => arnOf(functionOf(name))),
      );
/** A census lists items and results, and reads what is said of them. */
const saidOf = chain.flatMap((row) => [...(row.children === 'many' ? [doneUnder(row)] : []), `failures/${row.level}`]);
const takeACensus = allow('TakeACensus', 's3:GetObject', objects(...saidOf));
const seeSeeds = allow('SeeSeeds', 's3:GetObject', objects(chain[0].reads));
/** Replay looks at the very item, and whether it is done. */
const lookAtItems = allow(
  'LookAtItems',
  's3:GetObject',
  objects(...new Set(chain.flatMap((row) => [row.reads, doneUnder(row), `failures/${row.level}`]))),
);
const readReports = allow('ReadReports', 's3:GetObject', objects('runs'));
const readControl = allow('ReadControl', 's3:GetObject', objects('control'));
// As for the fetch functions: also so that S3 answers 404, not 403, for what is not there.
const list = allow('List', 's3:ListBucket', bucketArn);
const noteFailures = allow('NoteFailures', 's3:PutObject', objects('failures'));
const writeReports = allow('WriteReportsAndMarkers', 's3:PutObject', [
  ...objects('runs', 'finished'),
  ...successMarkers,
]);

const drainDeadLetters = allow(
  'DrainDeadLetters',
  ['sqs:ReceiveMessage', 'sqs:DeleteMessage', 'sqs:ChangeMessageVisibility', 'sqs:GetQueueAttributes'],
  chain.map(({ level }) => arnOf(deadLettersOf(level))),
);
const drainWaiting = allow(
  'DrainWaiting',
  ['sqs:ReceiveMessage', 'sqs:DeleteMessage', 'sqs:GetQueueAttributes'],
  chain.map(({ level }) => arnOf(waitingOf(level))),
);
const keepTheLastGoodRate = allow('KeepTheLastGoodRate', 's3:PutObject', object('control/last-good-rate.json'));

export async function resources(framework) {
  const { trigger } = await readRate(framework);
  const again = giveItemsAgain(trigger);
  return {
    Resources: Object.assign(
      {},
      ...chain.map((row) => fetchRole(row, trigger)),
      roleOf('replay', drainDeadLetters, again, lookAtItems, noteFailures, list),
      roleOf(
        'sweep',
        again,
        seeSeeds,
        takeACensus,
        noteFailures,
        readReports,
        readControl,
        writeReports,
        removeMarkers,
        list,
      ),
      roleOf('rate', readControl, keepTheLastGoodRate, drainWaiting, again, list),
      roleOf('status', seeSeeds, takeACensus, readReports, readControl, list),
    ),
  };
}
