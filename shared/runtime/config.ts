/**
 * The settings of a function: the only reader of the environment. serverless.yml gives every one of them; there are no
 * second defaults here. All mistakes are reported at once, when the function starts.
 */
import * as v from 'valibot';
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

const environment = v.object({
  BUCKET: text,
  DEAD_LETTER_QUEUE_URL: url,
  HERMES_URL: url,
  /** Empty: the API wants no token. */
  HERMES_TOKEN_SECRET: v.string('is not set; it may be empty'),
  CALL_RETRIES: wholeNumber(0, 10),
  CALL_TIMEOUT_MS: wholeNumber(100, 600_000),
  MAX_BODY_BYTES: wholeNumber(1_000, 100_000_000),
  MAX_CHILDREN: wholeNumber(1, 10_000_000),
  WRITE_CONCURRENCY: wholeNumber(1, 1_000),
  /** Set by the local engine only: Lambda's waits are so many times shorter there. */
  LAMBDA_TIME_SCALE: v.optional(wholeNumber(1, 1_000_000), '1'),
});

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

/** @throws ConfigError with one line for each setting that is missing or bad; it never shows a value */
export function readFetchConfig(env: Readonly<Record<string, string | undefined>> = process.env): FetchConfig {
  const parsed = v.safeParse(environment, env, { abortPipeEarly: true });
  if (!parsed.success) {
    throw new ConfigError(
      parsed.issues.map(
        (issue) =>
          `${v.getDotPath(issue) ?? 'the environment'} ${issue.message.startsWith('Invalid key') ? 'is not set' : issue.message}`,
      ),
    );
  }
  const settings = parsed.output;
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
