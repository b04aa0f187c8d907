/**
 * The settings of a function: the only reader of the environment. serverless.yml gives every one of them; there are no
 * second defaults here. All mistakes are reported at once, when the function starts.
 */
import * as v from 'valibot';
import { chain, type Level, type LevelName } from '../chain.ts';
import { ConfigError } from '../core/errors.ts';

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

const bucket = { BUCKET: text };
/** Set by the local engine only: Lambda's waits are so many times shorter there. */
const timeScale = { LAMBDA_TIME_SCALE: v.optional(wholeNumber(1, 1_000_000), '1') };

const fetchEnvironment = v.object({
  ...bucket,
  ...timeScale,
  DEAD_LETTER_QUEUE_URL: url,
  HERMES_URL: url,
  /** Empty: the API wants no token. */
  HERMES_TOKEN_SECRET: v.string('is not set; it may be empty'),
  CALL_RETRIES: wholeNumber(0, 10),
  CALL_TIMEOUT_MS: wholeNumber(100, 600_000),
  MAX_BODY_BYTES: wholeNumber(1_000, 100_000_000),
  MAX_CHILDREN: wholeNumber(1, 10_000_000),
  WRITE_CONCURRENCY: wholeNumber(1, 1_000),
});

/** The variables that serverless/levels.js makes for each level. */
const queueUrlSetting = (level: LevelName) =>
  `DEAD_LETTER_QUEUE_URL_${level.toUpperCase() as Uppercase<LevelName>}` as const;
const functionSetting = (level: LevelName) => `FUNCTION_${level.toUpperCase() as Uppercase<LevelName>}` as const;
type LevelSetting = ReturnType<typeof queueUrlSetting> | ReturnType<typeof functionSetting>;

const levelSettings = Object.fromEntries(
  chain.flatMap(({ level }) => [
    [queueUrlSetting(level), url],
    [functionSetting(level), text],
  ]),
) as Record<LevelSetting, typeof text>;

const recoveryEnvironment = v.object({
  ...bucket,
  ...timeScale,
  ...levelSettings,
  MAX_REPLAYS: wholeNumber(1, 1_000),
  MAX_REFIRES: wholeNumber(1, 1_000),
  FETCH_TIMEOUT_SECONDS: wholeNumber(1, 900),
  FETCH_RETRY_ATTEMPTS: wholeNumber(0, 2),
  FETCH_MAX_EVENT_AGE_SECONDS: wholeNumber(60, 21_600),
});

export type Environment = Readonly<Record<string, string | undefined>>;

export type FetchConfig = {
  bucket: string;
  deadLetterQueueUrl: string;
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

/** What replay, sweep and status know of the deployment. */
export type RecoveryConfig = {
  bucket: string;
  maxReplays: number;
  maxRefires: number;
  fetchTimeoutMs: number;
  /** After the first try. */
  fetchRetryAttempts: number;
  fetchMaxEventAgeMs: number;
  lambdaTimeScale: number;
  /** The function's name and its dead-letter queue's URL, for each row of the level table. */
  levels: { level: Level; functionName: string; deadLetterQueueUrl: string }[];
};

/** @throws ConfigError with one line for each setting that is missing or bad; it never shows a value */
export function readFetchConfig(env: Environment = process.env): FetchConfig {
  const settings = read(fetchEnvironment, env);
  return {
    bucket: settings.BUCKET,
    deadLetterQueueUrl: settings.DEAD_LETTER_QUEUE_URL,
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
    maxReplays: settings.MAX_REPLAYS,
    maxRefires: settings.MAX_REFIRES,
    fetchTimeoutMs: settings.FETCH_TIMEOUT_SECONDS * 1000,
    fetchRetryAttempts: settings.FETCH_RETRY_ATTEMPTS,
    fetchMaxEventAgeMs: settings.FETCH_MAX_EVENT_AGE_SECONDS * 1000,
    lambdaTimeScale: settings.LAMBDA_TIME_SCALE,
    levels: chain.map((level) => ({
      level,
      functionName: settings[functionSetting(level.level)],
      deadLetterQueueUrl: settings[queueUrlSetting(level.level)],
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
