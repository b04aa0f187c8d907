/**
 * What every level of the chain needs beside its function, made from the level table so that no prefix, queue or right is
 * written down twice: a role of its own, and a dead-letter queue of its own.
 *
 * It is plain JavaScript since the Serverless Framework loads it.
 */
import { chain } from '../shared/chain.ts';

const bucketArn = { 'Fn::Sub': 'arn:${AWS::Partition}:s3:::${self:service}-${sls:stage}-${AWS::AccountId}' };
const objects = (...prefixes) => prefixes.map((prefix) => ({ 'Fn::Sub': `${bucketArn['Fn::Sub']}/${prefix}/*` }));

/** @param {string} name e.g. fetchDataGroups or data_groups @returns {string} the same as a logical id, e.g. FetchDataGroups, DataGroups */
const logicalId = (name) => name.replaceAll(/(?:^|_)([a-z])/g, (_, letter) => letter.toUpperCase());

const deadLettersOf = (level) => `${logicalId(level)}DeadLetters`;
const queueNameOf = (level) => `\${self:service}-\${sls:stage}-${level.replaceAll('_', '-')}-dead-letters`;
const functionNameOf = (name) => `\${self:service}-\${sls:stage}-${name}`;

/** A level with many children keeps receipts; a leaf's result is its receipt, so that is looked for instead. */
const doneUnder = ({ level, writes, children }) => (children === 'many' ? `receipts/${level}` : writes);

const assumedByLambda = {
  Version: '2012-10-17',
  Statement: [{ Effect: 'Allow', Principal: { Service: 'lambda.amazonaws.com' }, Action: 'sts:AssumeRole' }],
};

const writeItsLog = (name) => ({
  Sid: 'WriteItsLog',
  Effect: 'Allow',
  Action: ['logs:CreateLogStream', 'logs:PutLogEvents'],
  Resource: {
    'Fn::Sub': `arn:\${AWS::Partition}:logs:\${AWS::Region}:\${AWS::AccountId}:log-group:/aws/lambda/${functionNameOf(name)}:*`,
  },
});

function resourcesOf(row) {
  const { level, reads, writes, function: functionName } = row;
  const deadLetters = deadLettersOf(level);
  const queueArn = { 'Fn::GetAtt': [deadLetters, 'Arn'] };
  const isDone = doneUnder(row);
  const wanted = [...new Set([writes, isDone, `failures/${level}`])];

  return {
    [deadLetters]: {
      Type: 'AWS::SQS::Queue',
      Properties: {
        QueueName: queueNameOf(level),
        // SQS keeps a message 14 days at most. After that the failure note in the bucket is what is left.
        MessageRetentionPeriod: 1_209_600,
        SqsManagedSseEnabled: true,
      },
    },
    [`${deadLetters}Policy`]: {
      Type: 'AWS::SQS::QueuePolicy',
      Properties: {
        Queues: [{ Ref: deadLetters }],
        PolicyDocument: {
          Version: '2012-10-17',
          Statement: [
            {
              Sid: 'TlsOnly',
              Effect: 'Deny',
              Principal: '*',
              Action: 'sqs:*',
              Resource: queueArn,
              Condition: { Bool: { 'aws:SecureTransport': false } },
            },
          ],
        },
      },
    },
    [`${logicalId(functionName)}Role`]: {
      Type: 'AWS::IAM::Role',
      Properties: {
        AssumeRolePolicyDocument: assumedByLambda,
        Policies: [
          {
            PolicyName: functionName,
            PolicyDocument: {
              Version: '2012-10-17',
              Statement: [
                writeItsLog(functionName),
                {
                  Sid: 'ReadItems',
                  Effect: 'Allow',
                  Action: 's3:GetObject',
                  Resource: objects(reads, isDone, `failures/${level}`),
                },
                { Sid: 'WriteChildren', Effect: 'Allow', Action: 's3:PutObject', Resource: objects(...wanted) },
                // Without it, S3 answers 403 instead of 404 for an object that is not there (page API_GetObject).
                { Sid: 'TellMissingFromForbidden', Effect: 'Allow', Action: 's3:ListBucket', Resource: bucketArn },
                // Lambda sends to the failure destination with this role, and deletes the event if it may not. The
                // function sends what must not wait for Lambda's retries.
                { Sid: 'SendDeadLetters', Effect: 'Allow', Action: 'sqs:SendMessage', Resource: queueArn },
                {
                  Sid: 'ReadTheToken',
                  Effect: 'Allow',
                  Action: 'secretsmanager:GetSecretValue',
                  Resource: {
                    'Fn::Sub':
                      'arn:${AWS::Partition}:secretsmanager:${AWS::Region}:${AWS::AccountId}:secret:${param:hermesTokenSecret}-??????',
                  },
                },
              ],
            },
          },
        ],
      },
    },
  };
}

/** The framework writes the bucket's name into the permissions as a text; ours is made of the stage and the account. */
const permissionOf = ({ function: functionName }) => ({
  [`${logicalId(functionName)}LambdaPermissionCascadeS3`]: { Properties: { SourceArn: bucketArn } },
});

/** A role for one of the functions that work on every level. */
const recoveryRole = (name, ...statements) => ({
  Type: 'AWS::IAM::Role',
  Properties: {
    AssumeRolePolicyDocument: assumedByLambda,
    Policies: [
      { PolicyName: name, PolicyDocument: { Version: '2012-10-17', Statement: [writeItsLog(name), ...statements] } },
    ],
  },
});

const allow = (Sid, Action, Resource) => ({ Sid, Effect: 'Allow', Action, Resource });

const drainDeadLetters = allow(
  'DrainDeadLetters',
  ['sqs:ReceiveMessage', 'sqs:DeleteMessage', 'sqs:ChangeMessageVisibility', 'sqs:GetQueueAttributes'],
  chain.map(({ level }) => ({ 'Fn::GetAtt': [deadLettersOf(level), 'Arn'] })),
);
const giveItemsAgain = allow(
  'GiveItemsAgain',
  'lambda:InvokeFunction',
  chain.map(({ function: name }) => ({ 'Fn::GetAtt': [`${logicalId(name)}LambdaFunction`, 'Arn'] })),
);
const seeWhatIsDone = allow(
  'SeeWhatIsDone',
  's3:GetObject',
  objects(...new Set(chain.flatMap((row) => [row.reads, doneUnder(row), `failures/${row.level}`]))),
);
const readReports = allow('ReadReports', 's3:GetObject', objects('runs'));
// As for the fetch functions: also so that S3 answers 404, not 403, for what is not there.
const list = allow('List', 's3:ListBucket', bucketArn);
const noteFailures = allow('NoteFailures', 's3:PutObject', objects('failures'));
const successMarkers = chain.filter(({ children }) => children === 'one').map(({ writes }) => `${writes}/*/_SUCCESS`);
const writeReports = allow('WriteReportsAndMarkers', 's3:PutObject', [
  ...objects('runs', 'finished'),
  ...successMarkers.map((path) => ({ 'Fn::Sub': `${bucketArn['Fn::Sub']}/${path}` })),
]);

// A run that was complete may be no more: its seed was dropped again, or an object deleted.
const removeMarkers = allow('RemoveMarkers', 's3:DeleteObject', [
  ...objects('finished'),
  ...successMarkers.map((path) => ({ 'Fn::Sub': `${bucketArn['Fn::Sub']}/${path}` })),
]);

const recoveryRoles = {
  ReplayRole: recoveryRole('replay', drainDeadLetters, giveItemsAgain, seeWhatIsDone, noteFailures, list),
  SweepRole: recoveryRole(
    'sweep',
    giveItemsAgain,
    seeWhatIsDone,
    noteFailures,
    readReports,
    writeReports,
    removeMarkers,
    list,
  ),
  StatusRole: recoveryRole('status', seeWhatIsDone, readReports, list),
};

/** Somebody should look when a dead letter lies on a level's queue. */
const alarmOf = ({ level }) => ({
  [`${deadLettersOf(level)}Alarm`]: {
    Type: 'AWS::CloudWatch::Alarm',
    Properties: {
      AlarmName: `${queueNameOf(level)}-not-empty`,
      AlarmDescription: `Items of the level ${level} have failed for good. See why with: npx sls invoke -f replay -d '{"level":"${level}","dryRun":true}'`,
      Namespace: 'AWS/SQS',
      MetricName: 'ApproximateNumberOfMessagesVisible',
      Dimensions: [{ Name: 'QueueName', Value: { 'Fn::GetAtt': [deadLettersOf(level), 'QueueName'] } }],
      Statistic: 'Maximum',
      Period: 300,
      EvaluationPeriods: 1,
      ComparisonOperator: 'GreaterThanThreshold',
      Threshold: 0,
      TreatMissingData: 'notBreaching',
    },
  },
});

/** What replay, sweep and status are told of the deployment; shared/runtime/config.ts reads it. */
export const recoveryEnvironment = Object.assign(
  {
    MAX_REPLAYS: '${param:maxReplays}',
    MAX_REFIRES: '${param:maxRefires}',
    FETCH_TIMEOUT_SECONDS: '${self:provider.timeout}',
    FETCH_RETRY_ATTEMPTS: '${self:custom.maximumRetryAttempts}',
    FETCH_MAX_EVENT_AGE_SECONDS: '${param:maximumEventAge}',
  },
  ...chain.map(({ level, function: name }) => ({
    [`DEAD_LETTER_QUEUE_URL_${level.toUpperCase()}`]: { Ref: deadLettersOf(level) },
    [`FUNCTION_${level.toUpperCase()}`]: { Ref: `${logicalId(name)}LambdaFunction` },
  })),
);

export const resources = {
  Resources: Object.assign({}, recoveryRoles, ...chain.map(resourcesOf), ...chain.map(alarmOf)),
  extensions: Object.assign({}, ...chain.map(permissionOf)),
};
