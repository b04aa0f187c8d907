/**
 * What the functions are told of their deployment: each setting once. infra/ writes these variables into the template, and
 * settings.ts reads them. Those that a person sets are parameters, with a default and a line for docs/settings.md.
 */
import {
  address,
  anyText,
  baseUrl,
  decimal,
  flag,
  matching,
  oneOf,
  orEmpty,
  orWord,
  wholeNumber,
  type Kind,
  type Setting,
} from './setting.ts';

/** What a person sets with `--param NAME=…`, or under `params:` in serverless.yml. */
export type Parameter<Value> = Kind<Value> & {
  default: string;
  /** For docs/settings.md. */
  about: string;
};

/** The largest rate that is accepted; a larger one is a typing error, or `unlimited`. */
const maxRate = 100_000;

/** SQS deletes a message 14 days after it was sent, also one that moved to a dead-letter queue in between. */
export const longestRetentionSeconds = 1_209_600;
/** A dead letter is kept for a day at the least, so that a person or a replay can find it. */
export const leastLetterSeconds = 86_400;

const rateAllowed = `a number of requests a second up to ${maxRate}, auto, or unlimited`;

export const rateKind: Kind<number | 'auto' | 'unlimited'> = orWord(
  'auto',
  orWord('unlimited', decimal(0.001, maxRate), rateAllowed),
  rateAllowed,
);

/** "Alphanumeric characters and the following: /_+=.@-" (page API_CreateSecret). */
const secretName = matching(/^[\w/+=.@-]{1,512}$/, 'the name of a secret: letters, digits and /_+=.@-');

/** The parameters that functions read, by the parameter's name. */
export const functionParameters = {
  apiUrl: {
    variable: 'API_URL',
    default: '',
    ...baseUrl,
    about: "The API's address: the chain's paths are below it. Needed to deploy.",
  },
  apiTokenSecret: {
    variable: 'API_TOKEN_SECRET',
    default: '',
    ...orEmpty(secretName, 'the API wants no token'),
    about: "The name of the Secrets Manager secret whose text is the API's token.",
  },
  rate: {
    variable: 'RATE',
    default: '10',
    ...rateKind,
    about:
      'Requests a second to the API, of all levels together, retries included. `auto`: what the API says in its answers that it allows.',
  },
  autoRateMost: {
    variable: 'AUTO_RATE_MOST',
    default: '20',
    ...decimal(0.001, maxRate),
    about: '`auto`: no more requests a second, whatever the API says. The environments of the levels follow from it.',
  },
  ratePrefix: {
    variable: 'RATE_PREFIX',
    default: '',
    ...orEmpty(matching(/^[\w/=.-]{1,200}$/, 'the beginning of keys: letters, digits and /_=.-'), 'none'),
    about:
      'Put before the keys in `rateBucket`, as it is: such as `apis/shop/`. Stages that share an API have the same.',
  },
  trigger: {
    variable: 'TRIGGER',
    default: 'direct',
    ...oneOf(['direct', 'queue']),
    about:
      '`direct`: S3 invokes the functions. `queue`: S3 sends to a queue for each level, from which Lambda takes batches.',
  },
  maxFreeze: {
    variable: 'MAX_FREEZE_SECONDS',
    default: '900',
    ...wholeNumber(0, 86_400),
    about: "Seconds: an answer's Retry-After stops the calls for this long at most.",
  },
  maxItemFreeze: {
    variable: 'MAX_ITEM_FREEZE_SECONDS',
    default: '1800',
    ...wholeNumber(0, 86_400),
    about:
      'Seconds: one item may stop the calls of all for this long in all. After that it waits alone, and the others are fetched. Each re-fire by the sweep has half as long as the one before: less than twice this in all, until a replay.',
  },
  maxWait: {
    variable: 'MAX_WAIT_SECONDS',
    default: '86400',
    ...wholeNumber(60, 1_209_600),
    about: 'Seconds: an item that the API keeps waiting for longer, with 429 or Retry-After, fails.',
  },
  callRetries: {
    variable: 'CALL_RETRIES',
    default: '3',
    ...wholeNumber(0, 10),
    about:
      "Attempts after the first within one invocation, after 429, 5xx and network errors. Lambda's own two retries come on top.",
  },
  callTimeoutMs: {
    variable: 'CALL_TIMEOUT_MS',
    default: '20000',
    ...wholeNumber(100, 600_000),
    about: 'Milliseconds: a call that takes longer is a network error.',
  },
  maxChildren: {
    variable: 'MAX_CHILDREN',
    default: '100000',
    ...wholeNumber(1, 10_000_000),
    about: 'An item with more children fails.',
  },
  maxBodyBytes: {
    variable: 'MAX_BODY_BYTES',
    default: '10000000',
    ...wholeNumber(1_000, 100_000_000),
    about: 'Bytes: an item whose answer is larger fails.',
  },
  maxBatchBytes: {
    variable: 'MAX_BATCH_BYTES',
    default: '1000000',
    ...wholeNumber(1_000, 10_000_000),
    about: 'Bytes of items: a batch that has this many is full, however few they are.',
  },
  maxPartBytes: {
    variable: 'MAX_PART_BYTES',
    default: '8000000',
    ...wholeNumber(1_000, 50_000_000),
    about: 'Bytes of results: what is fetched of a batch is stored when it is as much as this.',
  },
  writeConcurrency: {
    variable: 'WRITE_CONCURRENCY',
    default: '32',
    ...wholeNumber(1, 1_000),
    about: 'Children that one function writes at the same time.',
  },
  maximumEventAge: {
    variable: 'FETCH_MAX_EVENT_AGE_SECONDS',
    default: '21600',
    ...wholeNumber(60, 21_600),
    about:
      'Seconds that an event may wait while its function is throttled, before it is a dead letter. An item counts as lost only when it is older than this and its attempts, so the sweep is as patient as this number.',
  },
  maxReceives: {
    variable: 'QUEUE_MAX_RECEIVES',
    default: '5',
    ...wholeNumber(1, 1_000),
    about: '`queue`: receives before a message is a dead letter.',
  },
  queueRetention: {
    variable: 'QUEUE_RETENTION_SECONDS',
    default: '86400',
    ...wholeNumber(60, longestRetentionSeconds - leastLetterSeconds),
    about:
      '`queue`: seconds that a message may wait in all. A dead letter keeps the age of its message, and is deleted at 14 days: so this is at most 13.',
  },
  maxReplays: {
    variable: 'MAX_REPLAYS',
    default: '3',
    ...wholeNumber(1, 1_000),
    about: 'An item that was replayed this often, and failed each time, is parked until a person forces it.',
  },
  maxRefires: {
    variable: 'MAX_REFIRES',
    default: '3',
    ...wholeNumber(1, 1_000),
    about: 'A lost item is re-fired this often, then noted as failed.',
  },
  publish: {
    variable: 'PUBLISH',
    default: 'true',
    ...flag,
    about: 'Whether a complete run is published as Parquet tables, under `tables/`.',
  },
} satisfies Record<string, Parameter<unknown> & Setting<unknown>>;

/** What infra/ works out. */
export const derivedSettings = {
  bucket: { variable: 'BUCKET', ...anyText },
  sharedBucket: { variable: 'RATE_BUCKET', ...orEmpty(anyText, 'the rate is shared with no other stage') },
  level: { variable: 'LEVEL', ...anyText },
  minimumRate: { variable: 'MINIMUM_RATE', ...decimal(0, maxRate) },
  environments: {
    variable: 'ENVIRONMENTS',
    ...orEmpty(wholeNumber(1, 1_000_000), 'nothing bounds how many environments run at once'),
  },
  places: {
    variable: 'PLACES',
    ...orEmpty(wholeNumber(1, 1_000_000), 'AWS bounds how many environments run at once, or there is no rate'),
  },
  deadLetterQueueUrl: { variable: 'DEAD_LETTER_QUEUE_URL', ...address },
  waitingQueueUrl: { variable: 'WAITING_QUEUE_URL', ...address },
  triggerQueueUrl: { variable: 'TRIGGER_QUEUE_URL', ...orEmpty(address, 'S3 invokes the function, no queue does') },
  fetchTimeoutSeconds: { variable: 'FETCH_TIMEOUT_SECONDS', ...wholeNumber(1, 900) },
  fetchRetryAttempts: { variable: 'FETCH_RETRY_ATTEMPTS', ...wholeNumber(0, 2) },
  /** Set by the local engine only: Lambda's waits are this many times shorter there. */
  lambdaTimeScale: { variable: 'LAMBDA_TIME_SCALE', fallback: '1', ...wholeNumber(1, 1_000_000) },
} satisfies Record<string, Setting<unknown>>;

const { apiUrl, apiTokenSecret, rate, autoRateMost, ratePrefix, trigger, maxFreeze, maxItemFreeze, maxWait } =
  functionParameters;
const { callRetries, callTimeoutMs } = functionParameters;
const { maxChildren, maxBodyBytes, maxBatchBytes, maxPartBytes, writeConcurrency, maximumEventAge } =
  functionParameters;
const { maxReceives, queueRetention, maxReplays, maxRefires, publish } = functionParameters;
const { bucket, sharedBucket, level, minimumRate, environments, places, lambdaTimeScale } = derivedSettings;
const { deadLetterQueueUrl, waitingQueueUrl, triggerQueueUrl, fetchTimeoutSeconds, fetchRetryAttempts } =
  derivedSettings;

/** A fetch function's. */
export const fetchSettings = {
  ...{ bucket, sharedBucket, ratePrefix, level, rate, autoRateMost, minimumRate, environments, places },
  ...{ maxFreeze, maxItemFreeze, maxWait },
  ...{ deadLetterQueueUrl, waitingQueueUrl, triggerQueueUrl },
  ...{ apiUrl, apiTokenSecret, callRetries, callTimeoutMs, maxBodyBytes, maxChildren, writeConcurrency },
  ...{ maxBatchBytes, maxPartBytes },
  lambdaTimeScale,
};

/** Of replay, sweep, rate and status, beside those for each level. */
export const recoverySettings = {
  ...{ bucket, sharedBucket, ratePrefix, trigger, rate, autoRateMost, minimumRate, maxFreeze, maxReplays, maxRefires },
  ...{ fetchTimeoutSeconds, fetchRetryAttempts, maximumEventAge, maxReceives, queueRetention },
  ...{ publish, lambdaTimeScale },
};

/** Of publish and publishPiece. */
export const publishSettings = { bucket, deadLetterQueueUrl };

const variableOf = (kind: string, { name }: { name: string }): string => `${kind}_${name.toUpperCase()}`;

/** What the recovery functions are told of each of the two levels that publish. */
export function publishLevelSettings(level: { name: string }) {
  return {
    target: { variable: variableOf('TARGET', level), ...anyText },
    deadLetterQueueUrl: { variable: variableOf('DEAD_LETTER_QUEUE_URL', level), ...address },
  } satisfies Record<string, Setting<unknown>>;
}

/** What the recovery functions are told of each level: how many of its environments run, where its events go, its queues. */
export function levelSettings(level: { name: string }) {
  return {
    environments: { ...derivedSettings.environments, variable: variableOf('ENVIRONMENTS', level) },
    ...publishLevelSettings(level),
    waitingQueueUrl: { variable: variableOf('WAITING_QUEUE_URL', level), ...address },
  } satisfies Record<string, Setting<unknown>>;
}
