/**
 * What the sweep does for publishing: it finds complete runs that are not published and for which no event is alive, and gives
 * them, or those of their pieces that are open, to their function again: a bounded number of times, then it is noted as failed.
 */
import {
  failureKey,
  itemKey,
  itemPathOf,
  listingsOf,
  receiptKey,
  recordPrefixes,
  runOfKey,
  successKey,
} from '../chain/keys.ts';
import type { Chain, Level } from '../chain/chain.ts';
import { isDone } from '../item/receipt.ts';
import { readNoteAt } from '../item/failure-note.ts';
import type { ObjectStore } from '../ports.ts';
import { refireOrGiveUp, type RefireDeps } from '../recovery/lost-item.ts';
import { readPublication } from './publication.ts';
import type { PublishLevels } from './publish-levels.ts';

export type PublicationSweep = {
  run: string;
  /** Events that were sent again. In a dry run: that would have been. */
  refired: number;
  /** Re-fired as often as is allowed; noted as failed now. */
  givenUp: number;
};

export type LostPublicationsDeps = RefireDeps & {
  chain: Chain;
  levels: PublishLevels;
  /** An event this old is not alive any more, in milliseconds. */
  lostAfterMs: number;
  /** Milliseconds since 1970 by which to have stopped. */
  deadlineMs: number;
};

type Request = {
  /** Runs that were marked complete just now: they have an event. */
  except?: ReadonlySet<string>;
  run?: string | undefined;
  /** In seconds, instead of `lostAfterMs`. */
  olderThan?: number | undefined;
  dryRun?: boolean | undefined;
};

/** @returns the runs for which something was done; @throws what the store and the functions throw */
export async function sweepPublications(request: Request, deps: LostPublicationsDeps): Promise<PublicationSweep[]> {
  const { clock, deadlineMs } = deps;
  const swept: PublicationSweep[] = [];
  for (const { run, finishedMs } of await unpublished(request.run, deps)) {
    if (clock.now() >= deadlineMs) break;
    if (request.except?.has(run) === true) continue;
    const done = await sweepPublication(run, finishedMs, request, deps);
    if (done.refired + done.givenUp > 0) swept.push(done);
  }
  return swept;
}

/**
 * Finished runs that have pieces left, or were marked complete after they were last published. Three listings, of which that of the
 * pieces is empty while nothing is being published.
 */
async function unpublished(
  wanted: string | undefined,
  { store, levels }: LostPublicationsDeps,
): Promise<{ run: string; finishedMs: number }[]> {
  const { finished, publications } = recordPrefixes;
  const of = wanted === undefined ? '' : `${wanted}/`;
  const finishedMs = new Map<string, number>();
  for await (const { run, modifiedMs } of objectsOfRuns(`${finished}/`, of, store))
    finishedMs.set(run, Math.max(finishedMs.get(run) ?? 0, modifiedMs));
  const withPieces = new Set<string>();
  for await (const { run } of objectsOfRuns(`${levels.piece.reads}/`, of, store)) withPieces.add(run);
  const publishedMs = new Map<string, number>();
  for await (const page of store.list(`${publications}/${wanted ?? ''}`)) {
    for (const { key, modifiedMs } of page) {
      const run = runOfKey(publications, key);
      if (run !== undefined) publishedMs.set(run, modifiedMs);
    }
  }
  // S3 tells times in whole seconds: published in the second in which it was marked, a run is looked at.
  return [...finishedMs]
    .map(([run, ms]) => ({ run, finishedMs: ms }))
    .filter(({ run, finishedMs: ms }) => withPieces.has(run) || (publishedMs.get(run) ?? 0) <= ms);
}

async function* objectsOfRuns(
  prefix: string,
  of: string,
  store: ObjectStore,
): AsyncGenerator<{ run: string; modifiedMs: number }> {
  for await (const page of store.list(`${prefix}${of}`))
    for (const { key, modifiedMs } of page) yield { run: key.slice(prefix.length).split('/')[0] ?? '', modifiedMs };
}

/** What no event may bring on any more. */
type Open = { level: Level; key: string; sinceMs: number };

async function sweepPublication(
  run: string,
  finishedMs: number,
  { olderThan, dryRun = false }: Request,
  deps: LostPublicationsDeps,
): Promise<PublicationSweep> {
  const { store, clock } = deps;
  const lostAfterMs = olderThan === undefined ? deps.lostAfterMs : olderThan * 1000;
  const counts = { refired: 0, givenUp: 0, waits: 0 };
  for (const { level, key, sinceMs } of await openOf(run, finishedMs, deps)) {
    const path = itemPathOf(level, key);
    const note = path && (await readNoteAt(failureKey(level, path), store));
    const hasFailed = note !== undefined && note.status !== 'refired';
    // Failed since: it is on the dead-letter queue, or noted there for a replay. Before that the event was for something else.
    if (hasFailed && Date.parse(note.at) >= sinceMs) continue;
    const waitingMs = Math.max(sinceMs, note?.status === 'refired' ? Date.parse(note.at) : 0);
    if (clock.now() - waitingMs <= lostAfterMs) continue;
    const isOfBefore = note !== undefined && Date.parse(note.at) < sinceMs;
    const known = isOfBefore ? undefined : note;
    const finding = { kind: 'open', level, key, modifiedMs: sinceMs, note: known, open: 1, failures: [] } as const;
    const terms = { isDry: dryRun, lostAfterMs: () => lostAfterMs, stoppedUntilMs: 0 };
    counts[await refireOrGiveUp(finding, terms, deps)] += 1;
  }
  return { run, refired: counts.refired, givenUp: counts.givenUp };
}

async function openOf(run: string, finishedMs: number, deps: LostPublicationsDeps): Promise<Open[]> {
  const { chain, store, levels } = deps;
  const { publish, piece } = levels;
  const marker = await store.head(successKey(chain, run));
  if (marker === undefined) return []; // Not complete any more.
  const { publication } = await readPublication(run, store);
  const asked = { level: publish, key: itemKey(publish, { run, ids: [] }), sinceMs: finishedMs };
  if (publication?.successETag !== marker.eTag) return [asked];
  const prefix = listingsOf(piece, run).items.prefix;
  const open: Open[] = [];
  let latest: Open | undefined;
  for await (const page of store.list(`${prefix}${publication.publication}/`)) {
    for (const { key, eTag, modifiedMs } of page) {
      const path = itemPathOf(piece, key);
      if (path === undefined) continue;
      const receipt = await store.head(receiptKey(piece, path));
      const sinceMs = Math.max(modifiedMs, Date.parse(receipt?.metadata['at'] ?? '') || 0);
      const found = { level: piece, key, sinceMs };
      if (receipt === undefined || !isDone(piece, receipt, eTag)) open.push(found);
      if (latest === undefined || sinceMs > latest.sinceMs) latest = found;
    }
  }
  if (open.length > 0) return open;
  // All parts are there, and the one that wrote the last of them did not come to the end: any of them does that.
  if (latest !== undefined) return [latest];
  return publication.state === 'published' ? [] : [{ ...asked, sinceMs: Date.parse(publication.at) }];
}
