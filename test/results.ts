/** Reads the results in a bucket for the tests, with a reader of its own: parts of batches and single results alike. */
import type { Level } from '../shared/engine/chain/chain.ts';

export type ResultObject = { key: string; body: string };

/** A result: the ids from the top down, and the API's own text. */
export type ReadResult = { ids: string[]; data: string };

/** @throws Error for what is no result of this level, and for one that comes twice */
export function readResults(level: Level, run: string, objects: Iterable<ResultObject>): ReadResult[] {
  const prefix = `${level.writes}/${run}/`;
  const results: ReadResult[] = [];
  for (const { key, body } of objects) {
    if (!key.startsWith(prefix) || key === `${prefix}_SUCCESS`) continue;
    if (level.batch === 1) {
      const stem = key.slice(prefix.length, -level.suffix.length);
      results.push({ ids: stem.split('/').map(decodeURIComponent), data: body });
    } else {
      if (!/\/\d{5}(\.[1-9]\d*)?\.ndjson$/.test(key)) throw new Error(`${key} is not the key of a result part.`);
      if (body !== '' && !body.endsWith('\n')) throw new Error(`${key} ends without a line break.`);
      for (const line of body.split('\n').slice(0, -1)) results.push(resultIn(level, line, key));
    }
  }
  const seen = new Set<string>();
  for (const { ids } of results) {
    const name = JSON.stringify(ids);
    if (seen.has(name)) throw new Error(`The result of ${name} is there twice.`);
    seen.add(name);
  }
  return results;
}

function resultIn(level: Level, line: string, key: string): ReadResult {
  const { data, fetched_at: fetchedAt, ...named } = JSON.parse(line) as Record<string, unknown>;
  const ids = Object.values(named) as string[];
  const head = Object.entries(named).map(([name, id]) => `${JSON.stringify(name)}:${JSON.stringify(id)},`);
  const start = `{${head.join('')}"fetched_at":${JSON.stringify(fetchedAt)},"data":`;
  const isLine = line.startsWith(start) && data !== undefined && Object.keys(named).join() === level.ids.join();
  if (!isLine || Number.isNaN(Date.parse(String(fetchedAt))))
    throw new Error(`${key} has a line that is no result: ${line}`);
  return { ids, data: line.slice(start.length, -1) };
}

/** By the ids, as JSON: what each result says. */
export function resultValues(results: readonly ReadResult[]): Map<string, unknown> {
  return new Map(results.map(({ ids, data }) => [JSON.stringify(ids), JSON.parse(data) as unknown]));
}

/** The items in the batches of a level, in the same shape: `data` is the item's own text. */
export function readBatchedItems(level: Level, run: string, objects: Iterable<ResultObject>): ReadResult[] {
  const items: ReadResult[] = [];
  for (const { key, body } of objects) {
    if (!key.startsWith(`${level.reads}/${run}/`)) continue;
    if (!/\/\d{5}\.json$/.test(key)) throw new Error(`${key} is not the key of a batch.`);
    for (const line of body.slice(1, -1).split('\n')) {
      const element = line.replace(/,$/, '');
      const { ids } = JSON.parse(element) as { ids: string[] };
      items.push({ ids, data: element.slice(`{"ids":${JSON.stringify(ids)},"item":`.length, -1) });
    }
  }
  return items;
}
