/** Reads answers as JSON, strictly, and says what is wrong without showing a secret. */
import { ItemError, TransientError } from '../engine/errors.ts';
import type { Reply } from './exchange.ts';
import { findJsonFault } from './json-fault.ts';
import type { Mask } from './secret-mask.ts';

/** What was asked, for messages, and what hides the secrets that went into it. */
export type Asked = { call: string; mask: Mask };

export type JsonAnswer = { text: string; value: unknown };

/**
 * @throws TransientError `CUT_SHORT` for a text that begins as JSON and ends too early; ItemError `NOT_JSON`
 */
export function readJson(reply: Reply, { call, mask }: Asked): JsonAnswer {
  const decoded = decodeUtf8(reply.bytes);
  if (decoded !== undefined && !decoded.isCut) {
    try {
      return { text: decoded.text, value: JSON.parse(decoded.text) as unknown };
    } catch {
      // What the parser says may quote a secret. The reason is found below.
    }
  }
  const shown = excerpt(reply, mask);
  const fault = decoded === undefined ? undefined : findJsonFault(decoded.text);
  const isCut = decoded?.isCut === true && fault?.kind !== 'wrong';
  if (isCut || fault?.kind === 'cut' || (fault?.kind === 'empty' && !reply.isFramed)) {
    throw new TransientError('CUT_SHORT', `The answer to ${call} ends before its JSON does: ${shown}.`);
  }
  const contentType = reply.headers['content-type'] ?? 'none';
  const why = whyNotJson(decoded?.text, mask);
  throw new ItemError(
    'NOT_JSON',
    `The answer to ${call} is not JSON (${why}; content type: ${mask(contentType)}): ${shown}. Check the API's URL.`,
  );
}

function whyNotJson(text: string | undefined, mask: Mask): string {
  if (text === undefined) return 'its bytes are not UTF-8';
  // Masked letter by letter, so that the positions stay.
  const masked = mask(text, { mayBeCut: true, replacement: (hidden) => '*'.repeat(hidden.length) });
  const fault = findJsonFault(text);
  if (fault?.kind !== 'wrong') return 'it is empty';
  const found = /^[\w.+*-]+|^[^]/.exec(masked.slice(fault.position, fault.position + 20))?.[0] ?? '';
  return `at position ${fault.position} there is ${JSON.stringify(found)}, which JSON does not have there`;
}

/**
 * The text without a byte order mark, which is no part of JSON. A letter that is replaced because its bytes are wrong would be
 * stored as if the API had sent it, so wrong bytes are refused.
 * @returns undefined for bytes that are not UTF-8; `isCut` when they end within a letter
 */
export function decodeUtf8(bytes: Uint8Array): { text: string; isCut: boolean } | undefined {
  const decoder = new TextDecoder('utf-8', { fatal: true });
  try {
    const text = decoder.decode(bytes, { stream: true });
    try {
      decoder.decode();
      return { text, isCut: false };
    } catch {
      return { text, isCut: true };
    }
  } catch {
    return undefined;
  }
}

/** The beginning of an answer as a person may see it: on one line, without secrets. */
export function excerpt({ bytes }: Pick<Reply, 'bytes'>, mask: Mask): string {
  return shorten(mask(new TextDecoder().decode(bytes), { mayBeCut: true }), 'an empty body');
}

/** @param text without secrets */
export function shorten(text: string, empty: string): string {
  const line = text.replace(/\s+/g, ' ').trim();
  if (line === '') return empty;
  return JSON.stringify(line.length > 200 ? `${line.slice(0, 200)}…` : line);
}

export function nameOfType(value: unknown): string {
  if (value === null) return 'null';
  if (value === undefined) return 'nothing';
  return Array.isArray(value) ? 'a list' : typeof value === 'object' ? 'an object' : `a ${typeof value}`;
}
