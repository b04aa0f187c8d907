/** A role, for templates of tests, whose function may do everything that the engine has. */
export const almightyRole = {
  Type: 'AWS::IAM::Role',
  Properties: {
    AssumeRolePolicyDocument: {
      Statement: { Effect: 'Allow', Principal: { Service: 'lambda.amazonaws.com' }, Action: 'sts:AssumeRole' },
    },
    Policies: [
      {
        PolicyName: 'all',
        PolicyDocument: { Statement: { Effect: 'Allow', Action: ['s3:*', 'sqs:*', 'logs:*'], Resource: '*' } },
      },
    ],
  },
};
