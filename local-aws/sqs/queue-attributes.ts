/**
 * The attributes of a queue: their defaults, and the checks of CreateQueue and SetQueueAttributes.
 * https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/API_SetQueueAttributes.html
 */
import { SqsError } from './errors.ts';
import { isObject } from './input.ts';

export type QueueAttributes = Readonly<Record<string, string>>;

export type RedrivePolicy = { deadLetterTargetArn: string; maxReceiveCount: number };

export const mostVisibilitySeconds = 43_200;

const numbers: Readonly<Record<string, readonly [least: number, most: number, byDefault: number]>> = {
  DelaySeconds: [0, 900, 0],
  MaximumMessageSize: [1_024, 1_048_576, 1_048_576],
  MessageRetentionPeriod: [60, 1_209_600, 345_600],
  ReceiveMessageWaitTimeSeconds: [0, 20, 0],
  VisibilityTimeout: [0, mostVisibilitySeconds, 30],
};
const documents = new Set(['Policy', 'RedrivePolicy', 'RedriveAllowPolicy']);
/** Kept and told again; nothing is encrypted here. */
const encryption = new Set(['KmsMasterKeyId', 'KmsDataKeyReusePeriodSeconds', 'SqsManagedSseEnabled']);

export const defaultAttributes: QueueAttributes = {
  ...Object.fromEntries(Object.entries(numbers).map(([name, [, , byDefault]]) => [name, String(byDefault)])),
  SqsManagedSseEnabled: 'true',
};

/** @throws SqsError for a name that no queue can have */
export function checkQueueName(name: string): void {
  if (name.endsWith('.fifo')) throw noFifo();
  if (/^[A-Za-z0-9_-]{1,80}$/.test(name)) return;
  throw new SqsError(
    'InvalidParameterValue',
    'Can only include alphanumeric characters, hyphens, or underscores. 1 to 80 in length',
  );
}

/**
 * @returns the attributes with the changes; an empty document takes the attribute away
 * @throws SqsError InvalidAttributeName, InvalidAttributeValue, or UnsupportedOperation for a FIFO queue
 */
export function withAttributes(attributes: QueueAttributes, changes: Readonly<Record<string, unknown>>) {
  const changed: Record<string, string> = { ...attributes };
  for (const [name, value] of Object.entries(changes)) {
    if (name === 'FifoQueue' && value === 'false') continue;
    if (typeof value !== 'string') throw invalid(name, 'must be a string');
    check(name, value);
    if (documents.has(name) && value === '') Reflect.deleteProperty(changed, name);
    else changed[name] = value;
  }
  return changed;
}

/** @throws SqsError InvalidAttributeValue */
export function redrivePolicyOf({ RedrivePolicy: written }: QueueAttributes): RedrivePolicy | undefined {
  if (written === undefined) return undefined;
  const { deadLetterTargetArn, maxReceiveCount } = parseDocument('RedrivePolicy', written);
  // Both 5 and "5" are seen.
  const most = Number(maxReceiveCount);
  if (typeof deadLetterTargetArn !== 'string') throw invalid('RedrivePolicy', 'deadLetterTargetArn is missing');
  if (!Number.isInteger(most) || most < 1 || most > 1_000) {
    throw invalid('RedrivePolicy', 'maxReceiveCount must be a whole number from 1 to 1000');
  }
  return { deadLetterTargetArn, maxReceiveCount: most };
}

function check(name: string, value: string): void {
  const range = numbers[name];
  if (range !== undefined) {
    const [least, most] = range;
    if (!/^\d+$/.test(value) || Number(value) < least || Number(value) > most) {
      throw invalid(name, `must be a whole number from ${least} to ${most}`);
    }
  } else if (name === 'RedrivePolicy' && value !== '') {
    redrivePolicyOf({ RedrivePolicy: value });
  } else if (documents.has(name)) {
    if (value !== '') parseDocument(name, value);
  } else if (name === 'FifoQueue' || name === 'ContentBasedDeduplication') {
    throw noFifo();
  } else if (!encryption.has(name)) {
    throw new SqsError('InvalidAttributeName', `Unknown Attribute ${name}.`);
  }
}

function parseDocument(name: string, value: string): Record<string, unknown> {
  let document: unknown;
  try {
    document = JSON.parse(value);
  } catch {
    document = undefined;
  }
  if (isObject(document)) return document;
  throw invalid(name, 'must be a JSON object');
}

function invalid(name: string, reason: string): SqsError {
  return new SqsError('InvalidAttributeValue', `Invalid value for the parameter ${name}. Reason: It ${reason}.`);
}

function noFifo(): SqsError {
  return new SqsError('UnsupportedOperation', 'The local SQS has standard queues only, no FIFO queues.');
}
