/**
 * The settings of a function: the only reader of the environment. infra/ writes every one of them into the template from the
 * same table, setting-table.ts. All that is wrong is reported at once, when the function starts.
 */
import { levelNamed, type Chain, type Level } from '../engine/chain/chain.ts';
import { ConfigError } from '../engine/errors.ts';
import { listPublishLevels } from '../engine/publish/publish-levels.ts';
import type { RatePlace } from '../engine/rate/rate-place.ts';
import type { RateLimits } from '../engine/rate/rate-setting.ts';
import { readSettings, type Environment, type Settings, type ValuesOf } from './setting.ts';
import {
  fetchSettings,
  levelSettings,
  publishLevelSettings,
  publishSettings,
  recoverySettings,
} from './setting-table.ts';

export type FetchSettings = {
  bucket: string;
  level: Level;
  rate: RateLimits;
  /** undefined: the rate is shared with no other stage. */
  ratePlace: RatePlace | undefined;
  /** How many may run at once, of all levels; undefined: nothing bounds them. */
  environments: number | undefined;
  /** That may have a share of the rate at once; undefined: AWS bounds them, or there is no rate. */
  places: number | undefined;
  /** No order of the API stops all calls for longer. */
  maxFreezeMs: number;
  /** One item may stop the calls of all for this long in all. */
  maxItemFreezeMs: number;
  /** An item that the API keeps waiting for longer fails. */
  maxWaitMs: number;
  deadLetterQueueUrl: string;
  waitingQueueUrl: string;
  /** undefined: S3 invokes the function, no queue does. */
  triggerQueueUrl: string | undefined;
  apiUrl: string;
  /** undefined: the API wants no token. */
  apiTokenSecret: string | undefined;
  callRetries: number;
  callTimeoutMs: number;
  maxBodyBytes: number;
  maxChildren: number;
  maxBatchBytes: number;
  maxPartBytes: number;
  writeConcurrency: number;
  lambdaTimeScale: number;
};

/** What replay, sweep, rate and status know of the deployment. */
export type RecoverySettings = {
  bucket: string;
  trigger: 'direct' | 'queue';
  rate: RateLimits;
  /** undefined: the rate is shared with no other stage. */
  ratePlace: RatePlace | undefined;
  maxFreezeMs: number;
  maxReplays: number;
  maxRefires: number;
  fetchTimeoutMs: number;
  /** After the first attempt. */
  fetchRetryAttempts: number;
  fetchMaxEventAgeMs: number;
  /** With `queue`: how often a message is received before it is a dead letter. */
  queueMaxReceives: number;
  queueRetentionMs: number;
  lambdaTimeScale: number;
  /** For each level of the chain. `target` is where its events go: its function's name, or its trigger queue's URL. */
  levels: {
    level: Level;
    /** That may run at once; undefined: nothing bounds them. */
    environments: number | undefined;
    target: string;
    deadLetterQueueUrl: string;
    waitingQueueUrl: string;
  }[];
  /** For each of the two levels that publish; none when nothing is published. `target` is the function's name. */
  publishLevels: { level: Level; target: string; deadLetterQueueUrl: string }[];
};

export type PublishSettings = ValuesOf<typeof publishSettings>;

type WithLevels = Pick<Chain, 'levels'>;

/** @throws ConfigError with one line for each setting that is missing or invalid; it never shows a value but a level's */
export function readFetchSettings(chain: WithLevels, env: Environment = process.env): FetchSettings {
  const read = readSettings(fetchSettings, env);
  const { level, rate, minimumRate, autoRateMost, sharedBucket, ratePrefix, ...more } = read;
  const { maxFreeze, maxItemFreeze, maxWait, ...others } = more;
  return {
    ...others,
    level: readLevel(chain, level),
    rate: { deployed: rate, minimumPerSecond: minimumRate, autoMostPerSecond: autoRateMost },
    ratePlace: placeOf(sharedBucket, ratePrefix),
    maxFreezeMs: maxFreeze * 1000,
    maxItemFreezeMs: maxItemFreeze * 1000,
    maxWaitMs: maxWait * 1000,
  };
}

function placeOf(bucket: string | undefined, prefix = ''): RatePlace | undefined {
  return bucket === undefined ? undefined : { bucket, prefix };
}

/** @throws ConfigError for a name that is none of the chain's: the function was bundled with another source */
function readLevel(chain: WithLevels, name: string): Level {
  const names = chain.levels.map((level) => level.name);
  if (!names.includes(name))
    throw new ConfigError([`LEVEL must be one of ${names.join(', ')}, not ${JSON.stringify(name)}`]);
  return levelNamed(chain, name);
}

/** @throws as `readFetchSettings` */
export function readPublishSettings(env: Environment = process.env): PublishSettings {
  return readSettings(publishSettings, env);
}

/** @throws as `readFetchSettings` */
export function readRecoverySettings(chain: WithLevels, env: Environment = process.env): RecoverySettings {
  const problems: string[] = [];
  const attempt = <Read extends Settings>(settings: Read): ValuesOf<Read> | undefined => {
    try {
      return readSettings(settings, env);
    } catch (error) {
      if (!(error instanceof ConfigError)) throw error;
      problems.push(...error.problems);
      return undefined;
    }
  };
  const read = attempt(recoverySettings);
  const levels = chain.levels.flatMap((level) => {
    const own = attempt(levelSettings(level));
    return own === undefined ? [] : [{ level, ...own }];
  });
  const publishing = read?.publish === true ? listPublishLevels(chain) : [];
  const publishLevels = publishing.flatMap((level) => {
    const own = attempt(publishLevelSettings(level));
    return own === undefined ? [] : [{ level, ...own }];
  });
  if (read === undefined || problems.length > 0) throw new ConfigError(problems);
  return {
    bucket: read.bucket,
    trigger: read.trigger,
    rate: { deployed: read.rate, minimumPerSecond: read.minimumRate, autoMostPerSecond: read.autoRateMost },
    ratePlace: placeOf(read.sharedBucket, read.ratePrefix),
    maxFreezeMs: read.maxFreeze * 1000,
    maxReplays: read.maxReplays,
    maxRefires: read.maxRefires,
    fetchTimeoutMs: read.fetchTimeoutSeconds * 1000,
    fetchRetryAttempts: read.fetchRetryAttempts,
    fetchMaxEventAgeMs: read.maximumEventAge * 1000,
    queueMaxReceives: read.maxReceives,
    queueRetentionMs: read.queueRetention * 1000,
    lambdaTimeScale: read.lambdaTimeScale,
    levels,
    publishLevels,
  };
}
