/** How far a run's publication is: for `status`. It only reads. */
import type { Chain } from '../chain/chain.ts';
import { failureKey, listingsOf, successKey } from '../chain/keys.ts';
import { readNoteAt, type FailureNote } from '../item/failure-note.ts';
import type { ObjectStore } from '../ports.ts';
import { readPublication, type PublishedTable } from './publication.ts';
import type { PublishLevels } from './publish-levels.ts';

/**
 * - `waiting`: the run is complete, and its publication has not begun.
 * - `publishing`: it is under way.
 * - `published`: the tables hold the run as it is.
 * - `outdated`: the tables hold the run as it was; it is open again.
 * - `failed`: a person has to act; `problem` says why.
 */
export type PublishStatus = {
  state: 'waiting' | 'publishing' | 'published' | 'outdated' | 'failed';
  tables: PublishedTable[];
  problem?: { code: string; message: string; key: string };
};

/** @returns undefined for a run that is not complete and was never published */
export async function publishStatus(
  run: string,
  chain: Chain,
  levels: PublishLevels,
  store: Pick<ObjectStore, 'get' | 'head' | 'list'>,
): Promise<PublishStatus | undefined> {
  const [{ publication }, marker] = await Promise.all([
    readPublication(run, store),
    store.head(successKey(chain, run)),
  ]);
  const tables = publication?.tables ?? [];
  if (marker === undefined) return publication && { state: 'outdated', tables };
  const isAsked = publication?.successETag === marker.eTag;
  if (isAsked && publication.state === 'published') return { state: 'published', tables };
  const note = await failureOf(run, levels, store);
  if (note !== undefined && (!isAsked || Date.parse(note.at) >= Date.parse(publication.at)))
    return { state: 'failed', tables, problem: { code: note.code, message: note.message, key: note.key } };
  return { state: isAsked ? 'publishing' : 'waiting', tables };
}

async function failureOf(
  run: string,
  { publish, piece }: PublishLevels,
  store: Pick<ObjectStore, 'get' | 'list'>,
): Promise<FailureNote | undefined> {
  const isFailure = (note: FailureNote | undefined): note is FailureNote =>
    note?.status === 'failed' || note?.status === 'parked';
  const own = await readNoteAt(failureKey(publish, { run, ids: [] }), store);
  if (isFailure(own)) return own;
  let latest: { key: string; modifiedMs: number } | undefined;
  for await (const page of store.list(listingsOf(piece, run).failures.prefix))
    for (const listed of page) if (latest === undefined || listed.modifiedMs > latest.modifiedMs) latest = listed;
  const note = latest && (await readNoteAt(latest.key, store));
  return isFailure(note) ? note : undefined;
}
