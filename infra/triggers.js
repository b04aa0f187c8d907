/**
 * What starts a level's function when an object appears under the prefix that it reads. `direct`: S3 invokes the function.
 * `queue`: S3 sends to the level's queue, from which an event source mapping brings batches to the function.
 */
import { chain } from '../shared/engine/chain/chain.ts';
import { arnOf, bucketArn, functionOf, logicalId, ref, triggerOf } from './names.js';
import { readRate } from './rate.js';

const created = 's3:ObjectCreated:*';
const filter = (prefix) => ({
  S3Key: {
    Rules: [
      { Name: 'prefix', Value: prefix },
      { Name: 'suffix', Value: '.json' },
    ],
  },
});

/** Whoever drops control/rate.json is told in the log whether it is understood, and items that waited go on. */
const rate = { function: 'rate', prefix: 'control/rate' };

const permissionOf = (name) => `${logicalId(name)}LambdaPermissionCascadeS3`;

/** The functions that S3 invokes itself. */
const invoked = (trigger) => [
  ...(trigger === 'direct' ? chain.map((row) => ({ function: row.function, prefix: `${row.reads}/` })) : []),
  rate,
];

const permission = (name) => ({
  Type: 'AWS::Lambda::Permission',
  Properties: {
    FunctionName: arnOf(functionOf(name)),
    Action: 'lambda:InvokeFunction',
    Principal: 's3.amazonaws.com',
    SourceArn: bucketArn,
    SourceAccount: ref('AWS::AccountId'),
  },
});

/** The framework's own event for SQS would widen a role that all functions share; here each has its own. */
const mapping = ({ level, function: name }, { environments, batchSize }) => ({
  Type: 'AWS::Lambda::EventSourceMapping',
  DependsOn: [`${logicalId(name)}Role`],
  Properties: {
    EventSourceArn: arnOf(triggerOf(level)),
    FunctionName: arnOf(functionOf(name)),
    BatchSize: batchSize,
    FunctionResponseTypes: ['ReportBatchItemFailures'],
    ...(environments !== undefined && { ScalingConfig: { MaximumConcurrency: environments } }),
  },
});

/** What S3 tells of, and whom. */
export async function notifications(framework) {
  const { trigger } = await readRate(framework);
  return {
    LambdaConfigurations: invoked(trigger).map(({ function: name, prefix }) => ({
      Event: created,
      Function: arnOf(functionOf(name)),
      Filter: filter(prefix),
    })),
    ...(trigger === 'queue' && {
      QueueConfigurations: chain.map(({ level, reads }) => ({
        Event: created,
        Queue: arnOf(triggerOf(level)),
        Filter: filter(`${reads}/`),
      })),
    }),
  };
}

/** S3 checks when its notifications are set that it may do what they say, so these come before the bucket. */
export async function beforeTheBucket(framework) {
  const { trigger } = await readRate(framework);
  const policies = trigger === 'queue' ? chain.map(({ level }) => `${triggerOf(level)}Policy`) : [];
  return [...invoked(trigger).map(({ function: name }) => permissionOf(name)), ...policies];
}

export async function resources(framework) {
  const { trigger, levels } = await readRate(framework);
  const permissions = invoked(trigger).map(({ function: name }) => [permissionOf(name), permission(name)]);
  const mappings = chain.map((row) => [`${triggerOf(row.level)}Mapping`, mapping(row, levels[row.level])]);
  return { Resources: Object.fromEntries([...permissions, ...(trigger === 'queue' ? mappings : [])]) };
}
