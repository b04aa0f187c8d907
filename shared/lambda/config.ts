/**
 * The settings of a function: the only reader of the environment. serverless.yml gives every one of them; there are no
 * second defaults here. All mistakes are reported at once, when the function starts.
 */
import * as v from 'valibot';
import { chain, type Level, type LevelName } from '../engine/chain/chain.ts';
import { ConfigError } from '../engine/errors.ts';
import type { LevelRate, RateLimits } from '../engine/rate/rate-setting.ts';

const text = v.pipe(v.string('is not set'), v.minLength(1, 'is empty'));
const url = v.pipe(
  text,
  v.check((value) => /^https?:$/.test(URL.parse(value)?.protocol ?? ''), 'must be an http:// or https:// address'),
);

function wholeNumber(min: number, max: number) {
  const allowed = `must be a whole number from ${min} to ${max}`;
  return v.pipe(
    text,
    // Number('') and Number(' ') are 0: without the pattern an empty setting would be one.
    v.regex(/^\d+$/, allowed),
    v.transform(Number),
    v.minValue(min, allowed),
    v.maxValue(max, allowed),
  );
}

function decimal(min: number, max: number) {
  const allowed = `must be a number from ${min} to ${max}`;
  return v.pipe(
    text,
    v.regex(/^\d+(\.\d+)?$/, allowed),
    v.transform(Number),
    v.minValue(min, allowed),
    v.maxValue(max, allowed),
  );
}

/** The largest rate that is taken for one; more is a slip of the keyboard, or `unlimited`. */
const maxRate = 100_000;

const rateSettings = {
  RATE: v.union(
    [v.literal('unlimited'), decimal(0.001, maxRate)],
    `must be a number of requests a second up to ${maxRate}, or unlimited`,
  ),
  MINIMUM_RATE: decimal(0, maxRate),
};

const bucket = { BUCKET: text };
/** Set by the local engine only: Lambda's waits are so many times shorter there. */
const timeScale = { LAMBDA_TIME_SCALE: v.optional(wholeNumber(1, 1_000_000), '1') };

const fetchEnvironment = v.object({
  ...bucket,
  ...timeScale,
  ...rateSettings,
  RATE_SHARE: decimal(0.000_001, 1),
  /** Empty: nothing bounds how many environments run at once. */
  ENVIRONMENTS: v.union([v.literal(''), wholeNumber(1, 1_000_000)], 'must be a whole number above 0, or empty'),
  MAX_FREEZE_SECONDS: wholeNumber(0, 86_400),
  DEAD_LETTER_QUEUE_URL: url,
  WAITING_QUEUE_URL: url,
  /** Empty: S3 invokes the function, no queue does. */
  TRIGGER_QUEUE_URL: v.union([v.literal(''), url], 'must be the URL of a queue, or empty'),
  HERMES_URL: url,
  /** Empty: the API wants no token. */
  HERMES_TOKEN_SECRET: v.string('is not set; it may be empty'),
  CALL_RETRIES: wholeNumber(0, 10),
  CALL_TIMEOUT_MS: wholeNumber(100, 600_000),
  MAX_BODY_BYTES: wholeNumber(1_000, 100_000_000),
  MAX_CHILDREN: wholeNumber(1, 10_000_000),
  WRITE_CONCURRENCY: wholeNumber(1, 1_000),
});

/** The variables that infra/settings.js makes for each level. */
const perLevel = ['DEAD_LETTER_QUEUE_URL', 'WAITING_QUEUE_URL', 'TARGET'] as const;
type LevelSetting = `${(typeof perLevel)[number]}_${Uppercase<LevelName>}`;
const settingOf = (name: (typeof perLevel)[number], level: LevelName): LevelSetting =>
  `${name}_${level.toUpperCase() as Uppercase<LevelName>}`;

const levelSettings = Object.fromEntries(
  chain.flatMap(({ level }) => perLevel.map((name) => [settingOf(name, level), name === 'TARGET' ? text : url])),
) as Record<LevelSetting, typeof text>;

const recoveryEnvironment = v.object({
  ...bucket,
  ...timeScale,
  ...rateSettings,
  ...levelSettings,
  TRIGGER: v.picklist(['direct', 'queue'], 'must be direct or queue'),
  MAX_REPLAYS: wholeNumber(1, 1_000),
  MAX_REFIRES: wholeNumber(1, 1_000),
  FETCH_TIMEOUT_SECONDS: wholeNumber(1, 900),
  FETCH_RETRY_ATTEMPTS: wholeNumber(0, 2),
  FETCH_MAX_EVENT_AGE_SECONDS: wholeNumber(60, 21_600),
  QUEUE_MAX_RECEIVES: wholeNumber(1, 1_000),
  QUEUE_RETENTION_SECONDS: wholeNumber(60, 1_209_600),
});

export type Environment = Readonly<Record<string, string | undefined>>;

export type FetchConfig = {
  bucket: string;
  rate: LevelRate;
  maxFreezeMs: number;
  deadLetterQueueUrl: string;
  waitingQueueUrl: string;
  /** undefined: S3 invokes the function, no queue does. */
  triggerQueueUrl: string | undefined;
  hermesUrl: string;
  /** undefined: the API wants no token. */
  hermesTokenSecret: string | undefined;
  callRetries: number;
  callTimeoutMs: number;
  maxBodyBytes: number;
  maxChildren: number;
  writeConcurrency: number;
  lambdaTimeScale: number;
};

/** What replay, sweep, rate and status know of the deployment. */
export type RecoveryConfig = {
  bucket: string;
  trigger: 'direct' | 'queue';
  rate: RateLimits;
  maxReplays: number;
  maxRefires: number;
  fetchTimeoutMs: number;
  /** After the first try. */
  fetchRetryAttempts: number;
  fetchMaxEventAgeMs: number;
  /** With `queue`: how often a message is received before it is a dead letter. */
  queueMaxReceives: number;
  queueRetentionMs: number;
  lambdaTimeScale: number;
  /** For each row of the level table. `target` is where its events go: its function's name, or its trigger queue's URL. */
  levels: { level: Level; target: string; deadLetterQueueUrl: string; waitingQueueUrl: string }[];
};

/** @throws ConfigError with one line for each setting that is missing or bad; it never shows a value */
export function readFetchConfig(env: Environment = process.env): FetchConfig {
  const settings = read(fetchEnvironment, env);
  return {
    bucket: settings.BUCKET,
    rate: {
      deployed: settings.RATE,
      minimumPerSecond: settings.MINIMUM_RATE,
      share: settings.RATE_SHARE,
      environments: settings.ENVIRONMENTS === '' ? undefined : settings.ENVIRONMENTS,
    },
    maxFreezeMs: settings.MAX_FREEZE_SECONDS * 1000,
    deadLetterQueueUrl: settings.DEAD_LETTER_QUEUE_URL,
    waitingQueueUrl: settings.WAITING_QUEUE_URL,
    triggerQueueUrl: settings.TRIGGER_QUEUE_URL === '' ? undefined : settings.TRIGGER_QUEUE_URL,
    hermesUrl: settings.HERMES_URL,
    hermesTokenSecret: settings.HERMES_TOKEN_SECRET === '' ? undefined : settings.HERMES_TOKEN_SECRET,
    callRetries: settings.CALL_RETRIES,
    callTimeoutMs: settings.CALL_TIMEOUT_MS,
    maxBodyBytes: settings.MAX_BODY_BYTES,
    maxChildren: settings.MAX_CHILDREN,
    writeConcurrency: settings.WRITE_CONCURRENCY,
    lambdaTimeScale: settings.LAMBDA_TIME_SCALE,
  };
}

/** @throws as `readFetchConfig` */
export function readRecoveryConfig(env: Environment = process.env): RecoveryConfig {
  const settings = read(recoveryEnvironment, env);
  return {
    bucket: settings.BUCKET,
    trigger: settings.TRIGGER,
    rate: { deployed: settings.RATE, minimumPerSecond: settings.MINIMUM_RATE },
    maxReplays: settings.MAX_REPLAYS,
    maxRefires: settings.MAX_REFIRES,
    fetchTimeoutMs: settings.FETCH_TIMEOUT_SECONDS * 1000,
    fetchRetryAttempts: settings.FETCH_RETRY_ATTEMPTS,
    fetchMaxEventAgeMs: settings.FETCH_MAX_EVENT_AGE_SECONDS * 1000,
    queueMaxReceives: settings.QUEUE_MAX_RECEIVES,
    queueRetentionMs: settings.QUEUE_RETENTION_SECONDS * 1000,
    lambdaTimeScale: settings.LAMBDA_TIME_SCALE,
    levels: chain.map((level) => ({
      level,
      target: settings[settingOf('TARGET', level.level)],
      deadLetterQueueUrl: settings[settingOf('DEAD_LETTER_QUEUE_URL', level.level)],
      waitingQueueUrl: settings[settingOf('WAITING_QUEUE_URL', level.level)],
    })),
  };
}

function read<Schema extends v.ObjectSchema<v.ObjectEntries, undefined>>(
  schema: Schema,
  env: Environment,
): v.InferOutput<Schema> {
  const parsed = v.safeParse(schema, env, { abortPipeEarly: true });
  if (parsed.success) return parsed.output;
  throw new ConfigError(
    parsed.issues.map((issue) => {
      const isAbsent = issue.message.startsWith('Invalid key');
      return `${v.getDotPath(issue) ?? 'the environment'} ${isAbsent ? 'is not set' : issue.message}`;
    }),
  );
}
