/**
 * A run's success marker becomes pieces: the run's results and items are listed, cut, and each piece is written as an object,
 * whose event has it made into a Parquet file.
 */
import type { Level } from '../chain/chain.ts';
import { parseItemKey, receiptKey, type ItemPath } from '../chain/keys.ts';
import { TransientError } from '../errors.ts';
import type { ItemEvent } from '../events.ts';
import { KeyDigest } from '../item/key-digest.ts';
import type { ObjectStore } from '../ports.ts';
import type { Column } from './columns.ts';
import { earlierRun, readManifest, typesIn } from './manifest.ts';
import { maxPieceBytes, parsePiece, pieceKey, type Piece } from './piece.ts';
import { cutPieces, objectsPrefix, type PlannedObject } from './plan.ts';
import { readPublication, replacePublication, type PlannedTable, type Publication } from './publication.ts';
import type { PublishLevels } from './publish-levels.ts';
import type { PublishDeps } from './publish-ports.ts';
import { mostParts, tableSuccessKey } from './table-keys.ts';
import { tablesOf, type Table } from './tables.ts';
import { typeTable } from './typing.ts';

/** The layout of what is published: a release that changes it publishes runs anew that are asked for again. */
const format = 1;

/**
 * - `planned`: the pieces are there.
 * - `duplicate`: the run is published already with the same results.
 * - `missing`: the run is not complete any more.
 */
export type PlanOutcome = { outcome: 'planned' | 'duplicate' | 'missing'; pieces: number };

/**
 * @throws ItemError `BAD_KEY`; TransientError `RESULTS_CHANGED`, `PUBLICATION_CHANGED` when something else works on the run; what
 * the store throws
 */
export async function publishRun(event: ItemEvent, levels: PublishLevels, deps: PublishDeps): Promise<PlanOutcome> {
  const { store, clock, chain } = deps;
  const path = parseItemKey(levels.publish, event.key);
  const { run } = path;
  const marker = await store.head(event.key);
  if (marker === undefined) return { outcome: 'missing', pieces: 0 };
  const successETag = marker.eTag;
  const before = await readPublication(run, store);
  const tables = await Promise.all(tablesOf(chain).map((table) => planTable(table, run, before.publication, deps)));
  const publication = idOf(tables);
  const same = before.publication?.publication === publication ? before.publication : undefined;
  if (same?.state === 'published' && (await hasAllMarkers(same.plan, run, store))) {
    await replaceOrThrow({ ...same, successETag }, before.eTag, store);
    await leaveReceipt(path, successETag, 0, levels, deps);
    return { outcome: 'duplicate', pieces: 0 };
  }
  const record: Publication = {
    ...{ run, publication, successETag, state: 'publishing', at: new Date(clock.now()).toISOString() },
    // A second attempt compares with the same run as the first one: the types may follow from it.
    plan: same?.plan ?? (await Promise.all(tables.map((planned) => compared(planned, run, store)))),
    tables: [],
  };
  await replaceOrThrow(record, before.eTag, store);
  for (const { table } of record.plan) await store.remove(tableSuccessKey(table, run));
  let pieces = 0;
  for (const planned of tables) pieces += await writePieces(planned, record, levels, deps);
  await leaveReceipt(path, successETag, pieces, levels, deps);
  return { outcome: 'planned', pieces };
}

type PlanOfTable = {
  table: Table;
  /** Of the keys and ETags of its objects. */
  contents: string;
  /** At least as many as any publication of the run had before: a part that is late finds its number taken. */
  parts: number;
  /** With objects. */
  pieces: number;
};

async function planTable(
  table: Table,
  run: string,
  before: Publication | undefined,
  { store, limits }: PublishDeps,
): Promise<PlanOfTable> {
  const digest = new KeyDigest();
  let pieces = 0;
  for await (const objects of cutPieces(table, run, limits, store, digest)) pieces += Math.min(1, objects.length + 1);
  if (pieces > mostParts) throw new Error(`The table ${table.name} would have ${pieces} parts; at most ${mostParts}.`);
  const earlierParts = before?.plan.find((planned) => planned.table === table.name)?.parts ?? 0;
  return { table, contents: digest.toString(), parts: Math.max(pieces, earlierParts), pieces };
}

async function compared({ table, parts }: PlanOfTable, run: string, store: ObjectStore): Promise<PlannedTable> {
  const against = await earlierRun(table.name, run, store);
  return { table: table.name, parts, ...(against !== undefined && { against }) };
}

/** The same for the same results, tables and cut. */
function idOf(tables: readonly PlanOfTable[]): string {
  const digest = new KeyDigest();
  digest.add(`format ${format}`);
  for (const { table, contents, pieces } of tables) {
    const { name, columns, raw, ids } = table;
    digest.add(JSON.stringify({ name, columns, raw, ids, contents, pieces }));
  }
  return digest.toString();
}

async function hasAllMarkers(plan: readonly PlannedTable[], run: string, store: ObjectStore): Promise<boolean> {
  const heads = await Promise.all(plan.map(({ table }) => store.head(tableSuccessKey(table, run))));
  return heads.every((head) => head !== undefined);
}

async function replaceOrThrow(record: Publication, eTag: string | undefined, store: ObjectStore): Promise<void> {
  if ((await replacePublication(record, eTag, store)) === 'replaced') return;
  throw new TransientError('PUBLICATION_CHANGED', `Another publication of ${record.run} began at the same time.`);
}

/** @returns how many there are */
async function writePieces(
  { table, contents, parts }: PlanOfTable,
  { run, publication, plan }: Publication,
  { piece: level }: PublishLevels,
  deps: PublishDeps,
): Promise<number> {
  const { store, limits, clock, deadlineMs } = deps;
  const against = plan.find((planned) => planned.table === table.name)?.against;
  const earlier = typesIn(against === undefined ? undefined : await readManifest(table.name, against, store));
  const cut = (digest?: KeyDigest): AsyncGenerator<PlannedObject[]> => cutPieces(table, run, limits, store, digest);
  // A table of one part has what its rows show. A part without rows shows nothing.
  const columns =
    parts === 1
      ? undefined
      : ((await columnsOfFirst(table, run, publication, level, store)) ??
        (await typeTable({ table, run, publication, pieces: cut(), earlier }, deps)));
  const digest = new KeyDigest();
  let part = 0;
  const write = async (objects: PlannedObject[]): Promise<void> => {
    if (clock.now() >= deadlineMs)
      throw new TransientError('OUT_OF_TIME', `There was no time to write all pieces of ${run}.`);
    const piece: Piece = {
      ...{ run, publication, table: table.name, part, prefix: objectsPrefix(table, run), objects },
      earlier: [...earlier],
      ...(columns !== undefined && { columns }),
    };
    await store.create(pieceKey(level, piece), JSON.stringify(piece), {});
    part += 1;
  };
  for await (const objects of cut(digest)) await write(objects);
  if (digest.toString() !== contents)
    throw new TransientError('RESULTS_CHANGED', `What ${run} has of ${table.name} changed while it was planned.`);
  while (part < parts) await write([]);
  return part;
}

/** Of the first piece, if an earlier attempt has written it: all others are to have the same. */
async function columnsOfFirst(
  { name: table }: Table,
  run: string,
  publication: string,
  level: Level,
  store: ObjectStore,
): Promise<Column[] | undefined> {
  const key = pieceKey(level, { run, publication, table, part: 0 });
  const object = await store.get(key, maxPieceBytes);
  return object && parsePiece(key, object.body).columns;
}

async function leaveReceipt(
  path: ItemPath,
  inputETag: string,
  pieces: number,
  { publish }: PublishLevels,
  { store, clock }: PublishDeps,
): Promise<void> {
  const at = new Date(clock.now()).toISOString();
  const receipt = { run: path.run, level: publish.name, inputETag, children: pieces, at };
  await store.put(receiptKey(publish, path), JSON.stringify(receipt), { 'input-etag': inputETag, at });
}
