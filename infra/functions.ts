/** The fetch functions, one for each level of the chain; and what each function is told of the deployment. */
import type { Level } from '../shared/engine/chain/chain.ts';
import {
  derivedSettings,
  fetchSettings,
  levelSettings,
  publishLevelSettings,
  recoverySettings,
} from '../shared/lambda/setting-table.ts';
import type { Settings } from '../shared/lambda/setting.ts';
import type { Deployment } from './deployment.ts';
import { arnOf, bucketName, functionId, queueId, ref, roleId, sharedBucketName, type Intrinsic } from './names.ts';
import type { ParameterName, ParameterValues } from './parameters.ts';
import { publishLevelsOf } from './publishing.ts';
import { capacityOf } from './rate.ts';

type Variables = Record<string, string | Intrinsic>;

/** The entries of serverless.yml's `functions:` for the chain's levels. */
export function fetchFunctions(deployment: Deployment): Record<string, object> {
  return Object.fromEntries(deployment.chain.levels.map((level) => [level.function, fetchFunction(deployment, level)]));
}

function fetchFunction(deployment: Deployment, level: Level): object {
  const { parameters, rate, retryAttempts } = deployment;
  const { environments } = capacityOf(rate, level);
  return {
    handler: 'functions/fetch.handler',
    role: { 'Fn::Sub': `\${${roleId(level.function)}.Arn}` },
    environment: fetchVariables(deployment, level),
    // With queues their triggers bound the environments, and nothing is reserved; without `reserve` the shares' places do.
    ...(parameters.trigger === 'direct' && environments !== undefined && { reservedConcurrency: environments }),
    maximumRetryAttempts: retryAttempts,
    maximumEventAge: parameters.maximumEventAge,
    destinations: { onFailure: { type: 'sqs', arn: arnOf(queueId(level, 'dead-letters')) } },
  };
}

function fetchVariables(deployment: Deployment, level: Level): Variables {
  const { parameters, rate } = deployment;
  return write(fetchSettings, parameters, {
    bucket: bucketName(deployment),
    sharedBucket: sharedBucketName(deployment),
    level: level.name,
    minimumRate: String(rate.minimumPerSecond),
    environments: String(rate.environments ?? ''),
    places: String(rate.places ?? ''),
    deadLetterQueueUrl: ref(queueId(level, 'dead-letters')),
    waitingQueueUrl: ref(queueId(level, 'waiting')),
    triggerQueueUrl: parameters.trigger === 'queue' ? ref(queueId(level, 'trigger')) : '',
  });
}

/** For replay, sweep, rate and status: the deployment's numbers, and where each level's events and messages go. */
export function recoveryVariables(deployment: Deployment): Variables {
  const { chain, parameters, rate, timeoutSeconds, retryAttempts } = deployment;
  const ofLevels = chain.levels.map((level) =>
    write(levelSettings(level), parameters, {
      environments: String(capacityOf(rate, level).environments ?? ''),
      target: ref(parameters.trigger === 'queue' ? queueId(level, 'trigger') : functionId(level.function)),
      deadLetterQueueUrl: ref(queueId(level, 'dead-letters')),
      waitingQueueUrl: ref(queueId(level, 'waiting')),
    }),
  );
  const own = write(recoverySettings, parameters, {
    bucket: bucketName(deployment),
    sharedBucket: sharedBucketName(deployment),
    minimumRate: String(rate.minimumPerSecond),
    fetchTimeoutSeconds: String(timeoutSeconds),
    fetchRetryAttempts: String(retryAttempts),
  });
  const ofPublishing = publishLevelsOf(deployment).map((level) =>
    write(publishLevelSettings(level), parameters, {
      target: ref(functionId(level.function)),
      deadLetterQueueUrl: ref(queueId(level, 'dead-letters')),
    }),
  );
  return Object.assign(own, ...ofLevels, ...ofPublishing) as Variables;
}

type Derived<Of extends Settings> = Readonly<
  Record<Exclude<keyof Of, ParameterName | 'lambdaTimeScale'>, string | Intrinsic>
>;

/** The variables of some settings: of parameters as they are given, of others as they are derived. */
function write<Of extends Settings>(settings: Of, parameters: ParameterValues, derived: Derived<Of>): Variables {
  const known: Readonly<Record<string, string | number | boolean | Intrinsic | undefined>> = {
    ...parameters,
    ...derived,
  };
  return Object.fromEntries(
    Object.entries(settings).flatMap(([name, { variable }]) => {
      // The local engine's.
      if (variable === derivedSettings.lambdaTimeScale.variable) return [];
      const value = known[name] ?? '';
      return [[variable, typeof value === 'object' ? value : String(value)]];
    }),
  );
}

/** What the schedule asks of replay. `--param` gives texts; these have to be numbers. */
export function autoReplayInput({ parameters }: Pick<Deployment, 'parameters'>): object {
  return { rate: parameters.autoReplayRate, limit: parameters.autoReplayLimit };
}
