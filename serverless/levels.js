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

function resourcesOf({ level, reads, writes, function: functionName, children }) {
  const deadLetters = `${logicalId(level)}DeadLetters`;
  const queueArn = { 'Fn::GetAtt': [deadLetters, 'Arn'] };
  // A level with many children keeps receipts; a leaf's result is its receipt, so it looks for that instead.
  const isDone = children === 'many' ? `receipts/${level}` : writes;
  const wanted = [...new Set([writes, isDone, `failures/${level}`])];

  return {
    [deadLetters]: {
      Type: 'AWS::SQS::Queue',
      Properties: {
        QueueName: `\${self:service}-\${sls:stage}-${level.replaceAll('_', '-')}-dead-letters`,
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
        AssumeRolePolicyDocument: {
          Version: '2012-10-17',
          Statement: [{ Effect: 'Allow', Principal: { Service: 'lambda.amazonaws.com' }, Action: 'sts:AssumeRole' }],
        },
        Policies: [
          {
            PolicyName: functionName,
            PolicyDocument: {
              Version: '2012-10-17',
              Statement: [
                {
                  Sid: 'WriteItsLog',
                  Effect: 'Allow',
                  Action: ['logs:CreateLogStream', 'logs:PutLogEvents'],
                  Resource: {
                    'Fn::Sub': `arn:\${AWS::Partition}:logs:\${AWS::Region}:\${AWS::AccountId}:log-group:/aws/lambda/\${self:service}-\${sls:stage}-${functionName}:*`,
                  },
                },
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

export const resources = {
  Resources: Object.assign({}, ...chain.map(resourcesOf)),
  extensions: Object.assign({}, ...chain.map(permissionOf)),
};
