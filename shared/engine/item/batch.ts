/**
 * A batch: an object that holds several items of one parent. The only place that builds or parses one. Each item is a line of
 * its own, so that its JSON is kept as the API wrote it:
 *
 *     [{"ids":["a","b"],"item":{"id":"b","size":1.0}},
 *     {"ids":["a","c"],"item":{"id":"c","size":2e400}}]
 */
import { mostInBatch } from '../chain/chain.ts';
import { ItemError } from '../errors.ts';
import type { Child, Metadata } from '../ports.ts';

/** One of a batch's items. */
export type BatchItem = Child;

/** The element of a batch that an item becomes. Line breaks between the tokens of its JSON become spaces. */
export function batchElement(parentIds: readonly string[], { id, body }: BatchItem): string {
  return `${elementHead(parentIds, id)}${oneLine(body)}}`;
}

/** @param elements as `batchElement` makes them; at least one */
export function batchBody(elements: readonly string[]): string {
  return `[${elements.join(',\n')}]`;
}

/** In a JSON text line breaks stand between tokens only: in a string they are escaped. */
export function oneLine(json: string): string {
  return /[\r\n]/.test(json) ? json.replaceAll(/[\r\n]+/g, ' ').trim() : json;
}

/**
 * @param parentIds of the item whose children these are
 * @throws ItemError `BAD_BATCH` for a body that the engine did not write
 */
export function parseBatch(parentIds: readonly string[], key: string, body: string): BatchItem[] {
  const refuse = (why: string): never => {
    throw new ItemError(
      'BAD_BATCH',
      `The object ${key} is no batch of items: ${why}. Was it put there by hand? Delete it, or write it as the engine does: a JSON list, one {"ids":[…],"item":…} a line.`,
    );
  };
  const lines = body.slice(1, -1).split(/,?\n/);
  if (lines.length > mostInBatch) return refuse(`it has more than ${mostInBatch} lines`);
  if (!body.startsWith('[') || !body.endsWith(']')) return refuse('it is no list');
  const ids = new Set<string>();
  return lines.map((line, index): BatchItem => {
    const element = parseElement(parentIds, line);
    if (typeof element === 'string') return refuse(`line ${index + 1} ${element}`);
    if (ids.has(element.id)) return refuse(`line ${index + 1} repeats the id ${JSON.stringify(element.id)}`);
    ids.add(element.id);
    return element;
  });
}

/** @returns what is wrong with the line, if it is no element */
function parseElement(parentIds: readonly string[], line: string): BatchItem | string {
  let element: unknown;
  try {
    element = JSON.parse(line);
  } catch (error) {
    return `is not JSON (${(error as SyntaxError).message})`;
  }
  const { ids } = (typeof element === 'object' ? (element ?? {}) : {}) as { ids?: unknown };
  const id: unknown = Array.isArray(ids) ? ids.at(-1) : undefined;
  if (typeof id !== 'string' || id === '') return 'has no ids';
  const head = elementHead(parentIds, id);
  return line.startsWith(head) && line.endsWith('}')
    ? { id, body: line.slice(head.length, -1) }
    : 'is not an item of this parent';
}

function elementHead(parentIds: readonly string[], id: string): string {
  return `{"ids":${JSON.stringify([...parentIds, id])},"item":`;
}

const itemsField = 'items';

/** How many items a batch has, for its metadata: so that they are counted without being read. */
export function batchMetadata(items: number, lineage: Metadata): Metadata {
  return { ...lineage, [itemsField]: String(items) };
}

/** @returns undefined when the object is none of the engine's */
export function itemsIn(metadata: Metadata): number | undefined {
  const text = metadata[itemsField] ?? '';
  return /^[1-9]\d{0,5}$/.test(text) ? Number(text) : undefined;
}
