/**
 * Reads batches and result parts as a stranger does who knows the layout and nothing of the engine: each value is cut out of its
 * text as it stands there, so that a number or an escape that was printed anew is seen.
 */

/** An element of a batch. */
export type BatchElement = { ids: readonly string[]; item: string };

/** A line of a part. */
export type ResultLine = { ids: readonly string[]; fetchedAt: string; data: string };

/** @returns undefined for a text that is no batch */
export function readBatch(text: string): BatchElement[] | undefined {
  const elements = elementsOf(text)?.map((element) => {
    const members = membersOf(element);
    const ids = textsOf(members?.get('ids'));
    const item = members?.get('item');
    return members?.size !== 2 || ids === undefined || item === undefined ? undefined : { ids, item };
  });
  return elements?.every((element) => element !== undefined) === true && elements.length > 0 ? elements : undefined;
}

/**
 * @param names of the ids, from the top down
 * @returns what is wrong, for a text that is no part
 */
export function readPart(text: string, names: readonly string[]): ResultLine[] | string {
  if (text === '') return [];
  const lines = text.split('\n');
  if (lines.pop() !== '') return 'its last line has no end';
  const expected = [...names, 'fetched_at', 'data'];
  const results: ResultLine[] = [];
  for (const [index, line] of lines.entries()) {
    const members = line.includes('\r') ? undefined : membersOf(line);
    if (members === undefined || [...members.keys()].join(' ') !== expected.join(' '))
      return `line ${index + 1} is not one object of ${expected.join(', ')}: ${line}`;
    const [fetchedAt, data = ''] = [textOf(members.get('fetched_at')), members.get('data')];
    const ids = names.map((name) => textOf(members.get(name)));
    if (fetchedAt === undefined || !ids.every((id) => id !== undefined))
      return `line ${index + 1} has no texts: ${line}`;
    results.push({ ids, fetchedAt, data });
  }
  return results;
}

/**
 * @param text hexadecimal; item i is bit i % 8, the lowest first, of byte i / 8
 * @returns undefined for a text that is no set of so many items
 */
export function readBitmap(text: string, items: number): Set<number> | undefined {
  if (text.length !== Math.ceil(items / 8) * 2 || /[^0-9a-f]/.test(text)) return undefined;
  const indexes = new Set<number>();
  for (let at = 0; at < text.length * 4; at += 1) {
    const byte = text.slice((at >> 3) * 2, (at >> 3) * 2 + 2);
    if (Number.parseInt(byte, 16) & (2 ** (at % 8))) indexes.add(at);
  }
  return [...indexes].every((index) => index < items) ? indexes : undefined;
}

/** JSON with its line breaks as spaces: all that a batch or a line may change about it. In a string they are escaped. */
export function withoutBreaks(json: string): string {
  return json.replace(/[\r\n]+/g, ' ').trim();
}

/** The values of a JSON list, as they stand there. */
function elementsOf(list: string): string[] | undefined {
  return partsOf(list, '[', ']');
}

/** The members of a JSON object by their names, in its order. */
function membersOf(object: string): Map<string, string> | undefined {
  const members = new Map<string, string>();
  for (const member of partsOf(object, '{', '}') ?? []) {
    const nameEnd = valueEnd(member, 0);
    const name = textOf(member.slice(0, nameEnd));
    const colon = /^\s*:\s*/.exec(member.slice(nameEnd))?.[0];
    if (name === undefined || colon === undefined || members.has(name)) return undefined;
    members.set(name, member.slice(nameEnd + colon.length));
  }
  return members.size === 0 ? undefined : members;
}

/** What stands between the commas of a JSON list or object. */
function partsOf(text: string, first: string, last: string): string[] | undefined {
  const trimmed = text.trim();
  if (!isJson(trimmed) || !trimmed.startsWith(first) || !trimmed.endsWith(last)) return undefined;
  const inner = trimmed.slice(1, -1);
  const parts: string[] = [];
  for (let start = 0, at = 0; start < inner.length; at += 1) {
    if (at < inner.length && inner[at] !== ',') at = valueEnd(inner, at) - 1;
    else {
      parts.push(inner.slice(start, at).trim());
      start = at + 1;
    }
  }
  return parts;
}

/** Where the string, list, object, or single letter ends that begins at a place of a JSON text. */
function valueEnd(text: string, start: number): number {
  const first = text[start];
  if (first === '"') return start + (/^"(?:[^"\\]|\\.)*"/s.exec(text.slice(start))?.[0].length ?? 1);
  if (first !== '{' && first !== '[') return start + 1;
  let at = start + 1;
  while (at < text.length && text[at] !== '}' && text[at] !== ']') at = valueEnd(text, at);
  return at + 1;
}

function textOf(json: string | undefined): string | undefined {
  const value: unknown = json !== undefined && isJson(json) ? JSON.parse(json) : undefined;
  return typeof value === 'string' ? value : undefined;
}

function textsOf(json: string | undefined): string[] | undefined {
  const texts = json === undefined ? undefined : elementsOf(json)?.map(textOf);
  return texts?.every((text) => text !== undefined) === true ? texts : undefined;
}

function isJson(text: string): boolean {
  try {
    JSON.parse(text);
    return true;
  } catch {
    return false;
  }
}

/** As it stands in a batch, without what is between two of them. */
export function elementBytes({ ids, item }: BatchElement): number {
  return Buffer.byteLength(`{"ids":${JSON.stringify(ids)},"item":${item}}`);
}
