/**
 * A message's own attributes: their check, their size, and the MD5 over them that clients compare.
 * https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/sqs-message-metadata.html
 */
import { createHash } from 'node:crypto';
import { invalidValue } from './errors.ts';
import { isObject } from './input.ts';

export type MessageAttribute = { DataType: string; StringValue?: string; BinaryValue?: string };
export type MessageAttributes = Readonly<Record<string, MessageAttribute>>;

const mostAttributes = 10;

/** @throws SqsError InvalidParameterValue */
export function readMessageAttributes(written: Readonly<Record<string, unknown>> = {}): MessageAttributes {
  const entries = Object.entries(written);
  if (entries.length > mostAttributes) {
    throw invalidValue(`Number of message attributes [${entries.length}] exceeds the allowed maximum [10].`);
  }
  return Object.fromEntries(entries.map(([name, value]) => [name, readAttribute(name, value)]));
}

function readAttribute(name: string, written: unknown): MessageAttribute {
  const fail = (reason: string) => invalidValue(`The message attribute '${name}' ${reason}.`);
  if (!/^(?!\.)(?!.*\.\.)[A-Za-z0-9_.-]{1,256}(?<!\.)$/.test(name) || /^(aws|amazon)\./i.test(name)) {
    throw fail('has an invalid name');
  }
  const { DataType: type, StringValue: text, BinaryValue: binary } = isObject(written) ? written : {};
  if (typeof type !== 'string' || !/^(String|Number|Binary)(\.|$)/.test(type) || type.length > 256) {
    throw fail(
      'has an invalid message attribute type, the set of supported type prefixes is Binary, Number, and String',
    );
  }
  if (type.startsWith('Binary')) {
    if (typeof binary !== 'string' || binary === '') throw fail(`must contain a non-empty value of type ${type}`);
    return { DataType: type, BinaryValue: binary };
  }
  if (typeof text !== 'string' || text === '') throw fail(`must contain a non-empty value of type ${type}`);
  if (type.startsWith('Number') && !Number.isFinite(Number(text))) throw fail('must contain a number');
  return { DataType: type, StringValue: text };
}

/** Name, type and value count towards a message's size. */
export function attributesBytes(attributes: MessageAttributes): number {
  let sizeBytes = 0;
  for (const [name, attribute] of Object.entries(attributes)) {
    sizeBytes += Buffer.byteLength(name) + Buffer.byteLength(attribute.DataType) + valueOf(attribute).length;
  }
  return sizeBytes;
}

/** @returns undefined for a message without attributes, which is told no MD5 of them */
export function md5OfAttributes(attributes: MessageAttributes): string | undefined {
  const names = Object.keys(attributes);
  if (names.length === 0) return undefined;
  const hash = createHash('md5');
  const add = (bytes: Buffer): void => {
    const length = Buffer.alloc(4);
    length.writeUInt32BE(bytes.length);
    hash.update(length).update(bytes);
  };
  for (const name of names.sort()) {
    const attribute = attributes[name] as MessageAttribute;
    add(Buffer.from(name));
    add(Buffer.from(attribute.DataType));
    hash.update(Buffer.from([attribute.BinaryValue === undefined ? 1 : 2]));
    add(valueOf(attribute));
  }
  return hash.digest('hex');
}

/** Those that a receiver asks for: by name, `prefix.*`, or all. */
export function selectAttributes(attributes: MessageAttributes, wanted: readonly string[]): MessageAttributes {
  if (wanted.length === 0) return {};
  const isWanted = (name: string): boolean =>
    wanted.some((one) => {
      if (one === 'All' || one === '.*') return true;
      return one.endsWith('.*') ? name.startsWith(one.slice(0, -2)) : one === name;
    });
  return Object.fromEntries(Object.entries(attributes).filter(([name]) => isWanted(name)));
}

function valueOf({ StringValue: text, BinaryValue: binary }: MessageAttribute): Buffer {
  return binary === undefined ? Buffer.from(text ?? '') : Buffer.from(binary, 'base64');
}
