/**
 * The end of a publication: once all parts of all tables are there, each table gets its manifest and its
 * success marker. It is done by the invocation that wrote the last part; done twice, it is the same.
 */
import type { Level } from '../chain/chain.ts';
import { listingsOf } from '../chain/keys.ts';
import { mapConcurrently } from '../concurrency.ts';
import { TransientError } from '../errors.ts';
import type { ObjectStore } from '../ports.ts';
import { renamedIn } from './columns.ts';
import { driftOf } from './drift.ts';
import { readManifest, writeManifest, type Manifest } from './manifest.ts';
import { readPieceReceipt, type PieceReceipt } from './piece-receipt.ts';
import { readPublication, replacePublication, type PlannedTable, type Publication } from './publication.ts';
import type { PublishLevels } from './publish-levels.ts';
import type { PublishDeps } from './publish-ports.ts';
import { tablePartKey, tableSuccessKey, partName } from './table-keys.ts';
import { tablesOf, type Table } from './tables.ts';

/** - `open`: parts are missing, or another publication of the run is the current one. */
export type Finish = 'published' | 'open';

/** Receipts that are read at the same time. */
const readsAtOnce = 16;

type FinishDeps = Pick<PublishDeps, 'chain' | 'store' | 'clock' | 'log'>;

/** @throws what the store throws */
export async function finishPublication(
  run: string,
  publication: string,
  levels: PublishLevels,
  deps: FinishDeps,
): Promise<Finish> {
  const { store, log } = deps;
  const current = await readPublication(run, store);
  const record = current.publication;
  if (record?.publication !== publication) return 'open';
  if (record.state === 'published') {
    await removePieces(run, levels, store);
    return 'published';
  }
  const manifests: Manifest[] = [];
  for (const planned of record.plan) {
    const table = tablesOf(deps.chain).find(({ name }) => name === planned.table);
    const manifest = table && (await manifestOf(table, planned, record, levels, deps));
    if (manifest === undefined) return 'open';
    manifests.push(manifest);
  }
  for (const manifest of manifests) await writeManifest(manifest, store);
  const tables = manifests.map(({ table, rows, bytes, parts, drift }) => ({
    ...{ table, rows, bytes, parts: parts.length },
    ...(drift !== undefined && { drift }),
  }));
  const published: Publication = {
    ...record,
    state: 'published',
    at: new Date(deps.clock.now()).toISOString(),
    tables,
  };
  if ((await replacePublication(published, current.eTag, store)) === 'changed') {
    await withdraw(manifests, run, store);
    throw new TransientError('PUBLICATION_CHANGED', `The publication of ${run} changed while it was finished.`);
  }
  await removePieces(run, levels, store);
  log.info('The run is published.', { run, publication, tables });
  return 'published';
}

/** Another publication has begun meanwhile: its tables are not there yet. */
async function withdraw(manifests: readonly Manifest[], run: string, store: ObjectStore): Promise<void> {
  const { publication } = await readPublication(run, store);
  if (publication?.state === 'published' && publication.publication === manifests[0]?.publication) return;
  for (const { table } of manifests) await store.remove(tableSuccessKey(table, run));
}

/** @returns undefined while a part is missing */
async function manifestOf(
  table: Table,
  planned: PlannedTable,
  record: Publication,
  { piece }: PublishLevels,
  { store, clock }: FinishDeps,
): Promise<Manifest | undefined> {
  const { run, publication } = record;
  const receipts = await readReceipts(table, planned, record, piece, store);
  const [first] = receipts ?? [];
  if (receipts === undefined || first === undefined) return undefined;
  const parts = receipts.map(({ part, rows, bytes, eTag }) => ({
    ...{ key: tablePartKey(table.name, run, part), rows, bytes, eTag },
  }));
  for (const { key, eTag } of parts) if ((await store.head(key))?.eTag !== eTag) return undefined;
  const earlier = planned.against === undefined ? undefined : await readManifest(table.name, planned.against, store);
  const { columns } = first;
  return {
    ...{ table: table.name, run, publication },
    publishedAt: new Date(clock.now()).toISOString(),
    rows: parts.reduce((sum, { rows }) => sum + rows, 0),
    bytes: parts.reduce((sum, { bytes }) => sum + bytes, 0),
    parts,
    columns,
    renamed: renamedIn(columns),
    ...(planned.against !== undefined && earlier && { drift: driftOf(planned.against, earlier.columns, columns) }),
  };
}

/** @returns undefined when one is missing */
async function readReceipts(
  table: Table,
  { parts }: PlannedTable,
  { run, publication }: Publication,
  level: Level,
  store: Pick<ObjectStore, 'get' | 'list'>,
): Promise<PieceReceipt[] | undefined> {
  const { done } = listingsOf(level, run);
  const prefix = `${done.prefix}${publication}/${table.name}/`;
  const there = new Set<string>();
  for await (const page of store.list(prefix))
    for (const { key } of page) there.add(key.slice(prefix.length, -done.suffix.length));
  const names = Array.from({ length: parts }, (_, part) => partName(part));
  if (!names.every((name) => there.has(name))) return undefined;
  const found: PieceReceipt[] = [];
  for await (const receipt of mapConcurrently(names, readsAtOnce, (name) =>
    readPieceReceipt(level, { run, ids: [publication, table.name, name] }, store),
  )) {
    if (receipt === undefined) return undefined;
    found.push(receipt);
  }
  return found.sort((a, b) => a.part - b.part);
}

/** Also those of earlier publications of the run. Receipts stay. DELETE costs nothing. */
async function removePieces(run: string, { piece }: PublishLevels, store: ObjectStore): Promise<void> {
  for await (const page of store.list(listingsOf(piece, run).items.prefix))
    for (const { key } of page) await store.remove(key);
}
