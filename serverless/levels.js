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

/** Replay works on every level's queue and function. */
const replayRole = {
  Type: 'AWS::IAM::Role',
  Properties: {
    AssumeRolePolicyDocument: assumedByLambda,
    Policies: [
      {
        PolicyName: 'replay',
        PolicyDocument: {
          Version: '2012-10-17',
          Statement: [
            writeItsLog('replay'),
            {
              Sid: 'DrainDeadLetters',
              Effect: 'Allow',
              Action: [
                'sqs:ReceiveMessage',
                'sqs:DeleteMessage',
                'sqs:ChangeMessageVisibility',
                'sqs:GetQueueAttributes',
              ],
              Resource: chain.map(({ level }) => ({ 'Fn::GetAtt': [deadLettersOf(level), 'Arn'] })),
            },
            {
              Sid: 'GiveItemsAgain',
              Effect: 'Allow',
              Action: 'lambda:InvokeFunction',
              // Their names, not Fn::GetAtt: the functions' roles come from the same table, and must not wait for each other.
              Resource: chain.map(({ function: name }) => ({
                'Fn::Sub': `arn:\${AWS::Partition}:lambda:\${AWS::Region}:\${AWS::AccountId}:function:${functionNameOf(name)}`,
              })),
            },
            {
              Sid: 'SeeWhatIsDone',
              Effect: 'Allow',
              Action: 's3:GetObject',
              Resource: objects(
                ...new Set(chain.flatMap((row) => [row.reads, doneUnder(row), `failures/${row.level}`])),
              ),
            },
            { Sid: 'NoteParked', Effect: 'Allow', Action: 's3:PutObject', Resource: objects('failures') },
            {
              Sid: 'ListNotesAndTellMissingFromForbidden',
              Effect: 'Allow',
              Action: 's3:ListBucket',
              Resource: bucketArn,
            },
          ],
        },
      },
    ],
  },
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

/** What replay is told of the levels; shared/runtime/config.ts reads it. */
export const replayEnvironment = Object.assign(
  {},
  ...chain.map(({ level, function: name }) => ({
    [`DEAD_LETTER_QUEUE_URL_${level.toUpperCase()}`]: { Ref: deadLettersOf(level) },
    [`FUNCTION_${level.toUpperCase()}`]: functionNameOf(name),
  })),
);

export const resources = {
  Resources: Object.assign({ ReplayRole: replayRole }, ...chain.map(resourcesOf), ...chain.map(alarmOf)),
  extensions: Object.assign({}, ...chain.map(permissionOf)),
};
