/**
 * What starts a level's function when an object appears under the prefix that it reads. `direct`: S3 invokes the function.
 * `queue`: S3 sends to the level's queue, from which an event source mapping brings batches to the function.
 */
import type { Level } from '../shared/engine/chain/chain.ts';
import { rateKey, runControlPrefix } from '../shared/engine/chain/keys.ts';
import type { Deployment } from './deployment.ts';
import { arnOf, bucketArn, functionId, permissionId, queueId, ref, roleId } from './names.ts';
import { publishLevelsOf } from './publishing.ts';
import { queuePolicyId } from './queues.ts';
import { capacityOf } from './rate.ts';
import { merge, type Resources } from './resources.ts';

const created = 's3:ObjectCreated:*';
/** Of every item, and of what people drop under control/. */
const itemSuffix = '.json';

const filter = (prefix: string, suffix = itemSuffix): object => ({
  S3Key: {
    Rules: [
      { Name: 'prefix', Value: prefix },
      { Name: 'suffix', Value: suffix },
    ],
  },
});

/** The functions that S3 invokes itself. */
function invoked(deployment: Deployment): { name: string; prefix: string; suffix?: string }[] {
  const { chain, parameters } = deployment;
  const publishing = publishLevelsOf(deployment).map(({ function: name, reads, itemSuffix: suffix }) => ({
    ...{ name, prefix: `${reads}/` },
    // Of a run's success marker: what stands between it and the prefix is the run.
    ...(suffix !== undefined && { suffix }),
  }));
  const fetching = chain.levels.map((level) => ({ name: level.function, prefix: `${level.reads}/` }));
  // The log says whether control/rate.json is understood, and items that waited are re-fired; so are those of a run that is resumed.
  const rate = { name: 'rate', prefix: rateKey.slice(0, -itemSuffix.length) };
  const run = { name: 'rate', prefix: `${runControlPrefix}/` };
  return [...(parameters.trigger === 'direct' ? fetching : []), ...publishing, rate, run];
}

const namesOfInvoked = (deployment: Deployment): string[] => [...new Set(invoked(deployment).map(({ name }) => name))];

/** The bucket's notifications. */
export function notifications(deployment: Deployment): object {
  const { chain, parameters } = deployment;
  return {
    LambdaConfigurations: invoked(deployment).map(({ name, prefix, suffix }) => ({
      Event: created,
      Function: arnOf(functionId(name)),
      Filter: filter(prefix, suffix),
    })),
    ...(parameters.trigger === 'queue' && {
      QueueConfigurations: chain.levels.map((level) => ({
        Event: created,
        Queue: arnOf(queueId(level, 'trigger')),
        Filter: filter(`${level.reads}/`),
      })),
    }),
  };
}

/** S3 checks when its notifications are set that it may do what they say, so these come before the bucket. */
export function beforeTheBucket(deployment: Deployment): string[] {
  const { chain, parameters } = deployment;
  const policies = parameters.trigger === 'queue' ? chain.levels.map((level) => queuePolicyId(level, 'trigger')) : [];
  return [...namesOfInvoked(deployment).map(permissionId), ...policies];
}

export function triggers(deployment: Deployment): Resources {
  const permissions = namesOfInvoked(deployment).map((name) => ({
    [permissionId(name)]: permission(deployment, name),
  }));
  const mappings = deployment.chain.levels.map((level) => ({
    [`${queueId(level, 'trigger')}Mapping`]: mapping(deployment, level),
  }));
  return merge(...permissions, ...(deployment.parameters.trigger === 'queue' ? mappings : []));
}

const permission = (deployment: Deployment, name: string) => ({
  Type: 'AWS::Lambda::Permission',
  Properties: {
    FunctionName: arnOf(functionId(name)),
    Action: 'lambda:InvokeFunction',
    Principal: 's3.amazonaws.com',
    SourceArn: bucketArn(deployment),
    SourceAccount: ref('AWS::AccountId'),
  },
});

/** The framework's own event for SQS would widen a role that all functions share; here each has its own. */
function mapping({ rate }: Deployment, level: Level) {
  const { environments, batchSize } = capacityOf(rate, level);
  return {
    Type: 'AWS::Lambda::EventSourceMapping',
    DependsOn: [roleId(level.function)],
    Properties: {
      EventSourceArn: arnOf(queueId(level, 'trigger')),
      FunctionName: arnOf(functionId(level.function)),
      BatchSize: batchSize,
      FunctionResponseTypes: ['ReportBatchItemFailures'],
      ...(environments !== undefined && { ScalingConfig: { MaximumConcurrency: environments } }),
    },
  };
}
