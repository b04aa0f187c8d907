/**
 * An item's life: read it, see whether it is done, fetch its children, write them, write the receipt last. And what
 * becomes of it when that fails: a note in the bucket, and either Lambda's retries or a dead letter at once.
 */
import { isBatched, nextIdOf, nextLevel, type Level } from '../chain/chain.ts';
import { doneKey, maxKeyBytes, parseItemKey, resultKey, type ItemPath } from '../chain/keys.ts';
import type { Params } from '../chain/params.ts';
import { CancelledError, DeferredError, ItemError } from '../errors.ts';
import { isRepeat, type ItemEvent } from '../events.ts';
import type { StoredObject } from '../ports.ts';
import { unmarkComplete } from '../runs/markers.ts';
import { fixRunParams } from '../runs/run-params.ts';
import { parseSeed, selectChildren, type Seed } from '../runs/seed.ts';
import type { StoredChildren } from './child-objects.ts';
import { expand } from './expand.ts';
import {
  gateOf,
  lineageOf,
  throwIfRunStopped,
  type Attempt,
  type ItemDeps,
  type Outcome,
  type Work,
} from './attempt.ts';
import { fetchBatch } from './batch-fetch.ts';
import type { FetchMany, FetchOne } from './fetch.ts';
import { countEarlierAttempts, noteFailure, sendDeadLetter, sendToWait } from './item-failure.ts';
import { childrenThere, isDone, isDoneSince, writeReceipt } from './receipt.ts';

/**
 * Takes one item through its life.
 * @throws whatever went wrong, unless it was an item error that is noted and sent: then Lambda has to retry
 */
export async function processItem(event: ItemEvent, deps: ItemDeps): Promise<Outcome> {
  const { level, log, clock } = deps;
  const startedMs = clock.now();
  const work: Work = { run: undefined, attempt: 1, earlier: undefined, apiCalls: 0 };
  const about = (): Record<string, unknown> => ({
    run: work.run,
    level: level.name,
    key: event.key,
    attempt: work.attempt,
  });
  const attempt: Attempt = { event: { ...event }, work, deps };
  try {
    const done = await attemptItem(attempt);
    log.info(`Item ${done.outcome}.`, { ...about(), ...done, durationMs: clock.now() - startedMs });
    return done;
  } catch (error) {
    if (error instanceof CancelledError) return logCancelled(attempt);
    if (error instanceof DeferredError) {
      await sendToWait(attempt.event, work, error, deps);
      log.info('The item was requeued without counting an attempt.', {
        ...about(),
        code: error.code,
        ...(work.counts && { items: work.counts }),
      });
      return endOf('deferred', work);
    }
    const note = await noteFailure(event, work, error, deps).catch((noteError: unknown) => {
      log.error('The failure note could not be written; the dead letter will tell.', { ...about(), error: noteError });
      throw error;
    });
    const fields = {
      ...about(),
      code: note.code,
      class: note.class,
      ...(work.counts && { items: work.counts }),
      error,
    };
    if (!(error instanceof ItemError)) {
      log.warn('The item failed; it is retried, then it goes to the dead-letter queue.', fields);
      throw error;
    }
    await sendDeadLetter(event, note, deps);
    log.error(
      'The item can not be fetched; it is on the dead-letter queue. Correct the cause, then replay it.',
      fields,
    );
    return endOf('failed', work);
  }
}

/** No attempt, no note, no letter: resumed, the run's open items are re-fired by the sweep. */
function logCancelled({ event, work, deps }: Attempt): Outcome {
  const { level, log } = deps;
  const fields = {
    run: work.run,
    level: level.name,
    key: event.key,
    ...(work.counts && { items: work.counts }),
  };
  if (level.ids.length === 0)
    log.warn('The run is cancelled, so its seed is not taken. Resume the run to take it.', fields);
  else log.info('The run is cancelled; nothing more is done for the item.', fields);
  return endOf('cancelled', work);
}

function endOf(outcome: 'deferred' | 'failed' | 'cancelled', { apiCalls, counts }: Work): Outcome {
  return { outcome, written: counts?.done ?? 0, apiCalls, ...(counts && { items: counts }) };
}

const duplicate: Outcome = { outcome: 'duplicate', written: 0, apiCalls: 0 };
const missing: Outcome = { outcome: 'missing', written: 0, apiCalls: 0 };

async function attemptItem(attempt: Attempt): Promise<Outcome> {
  const { event, work, deps } = attempt;
  const path = parseItemKey(deps.level, event.key);
  work.run = path.run;
  await throwIfRunStopped(work, deps);
  if ('many' in deps.fetch) return fetchMany(deps.fetch.many, path, attempt);
  return isBatched(deps.level) ? fetchBatch(deps.fetch.one, path, attempt) : fetchOne(deps.fetch.one, path, attempt);
}

async function fetchMany(many: FetchMany, path: ItemPath, attempt: Attempt): Promise<Outcome> {
  const { event, work, deps } = attempt;
  const { level, store, clock, settings, deadlineMs } = deps;
  const [object, done] = await Promise.all([
    store.get(event.key, settings.maxItemBytes),
    store.head(doneKey(level, path)),
    countEarlierAttempts(event, work, settings.firstRetryMs, deps),
  ]);
  if (object === undefined) return missing;
  if (done !== undefined && isDone(level, done, object.eTag) && isDoneSince(event, done)) return duplicate;
  const { params, only } =
    path.ids.length === 0 ? await startRun(path.run, object.body, deps) : await deps.runParams(path.run);
  // The seed is a person's text, and is checked with a better message where it is read.
  if (path.ids.length > 0) throwUnlessJson(event.key, object.body);

  const idName = nextIdOf(deps.chain, level);
  const isRepeated = isRepeat(event) || work.attempt > 1 || done !== undefined;
  const pages = many({ ...path, key: event.key, params, body: object.body }, gateOf(attempt));
  const expansion = await expand({
    level,
    path,
    next: nextLevel(deps.chain, level),
    isRepeated,
    pages: selectChildren(pages, only[idName], { idName, isWhole: path.ids.length === 0 }),
    store,
    clock,
    deadlineMs,
    writeConcurrency: settings.writeConcurrency,
    maxChildren: settings.maxChildren,
    maxBatchBytes: settings.maxBatchBytes,
    maxPartBytes: settings.maxPartBytes,
    maxItemBytes: settings.maxItemBytes,
    metadata: () => lineageOf(path, attempt),
  });
  const written = expansion.children - expansion.existing;
  // A seed that was dropped again meanwhile has an event of its own; the receipt for it must not be overwritten by this one.
  if (path.ids.length === 0 && (await store.head(event.key))?.eTag !== object.eTag)
    return { outcome: 'duplicate', written, apiCalls: work.apiCalls };
  // Earlier lists may have brought other children.
  const there = isRepeated ? await childrenThere({ chain: deps.chain, level, path }, store) : undefined;
  const { items, ...stored } = expansion;
  // Batches: what the API gave is more than the objects that it is in.
  const counts = items === stored.children ? {} : { items };
  await leaveReceipt(path, object, { ...stored, ...counts, ...there }, attempt);
  return { outcome: 'expanded', written, apiCalls: work.apiCalls };
}

async function fetchOne(one: FetchOne, path: ItemPath, attempt: Attempt): Promise<Outcome> {
  const { event, work, deps } = attempt;
  const { level, store, settings } = deps;
  const isSeed = path.ids.length === 0;
  const writableKey = writableResultKey(level, path);
  const [done] = await Promise.all([
    store.head(writableKey),
    countEarlierAttempts(event, work, settings.firstRetryMs, deps),
  ]);

  const read = async (): Promise<string> => {
    const object = await store.get(event.key, settings.maxItemBytes);
    if (object === undefined) throw new ItemError('MISSING', `The item ${event.key} was deleted after its event.`);
    return object.body;
  };
  const readJson = async (): Promise<string> => {
    const body = await read();
    throwUnlessJson(event.key, body);
    return body;
  };
  // A result is whole or it is not there: there is nothing to do again. Only a seed may ask for something else.
  if (done !== undefined) {
    if (isSeed && (await store.head(event.key)) !== undefined) await takeSeed(path.run, await read(), deps);
    return duplicate;
  }
  const { params } = isSeed ? await startRun(path.run, await read(), deps) : await deps.runParams(path.run);
  const { body, contentType } = await one(
    { ...path, key: event.key, params, read: isSeed ? read : readJson },
    gateOf(attempt),
  );
  const created = await store.create(writableKey, body, lineageOf(path, attempt), contentType);
  return { outcome: 'expanded', written: created === 'created' ? 1 : 0, apiCalls: work.apiCalls };
}

/**
 * Takes a seed: fixes the run's parameters, and removes the success marker, since a seed that is expanded anew makes its run
 * incomplete.
 * @throws ItemError `BAD_SEED`, `PARAMS_CHANGED`
 */
async function startRun(run: string, body: string, deps: ItemDeps): Promise<TakenSeed> {
  const taken = await takeSeed(run, body, deps);
  await unmarkComplete(deps.chain, run, deps.store);
  return taken;
}

type TakenSeed = { params: Params; only: Seed['only'] };

/** @throws as `startRun` */
async function takeSeed(run: string, body: string, { chain, store, clock }: ItemDeps): Promise<TakenSeed> {
  const seed = parseSeed(body, chain);
  const { params } = await fixRunParams(run, seed, chain, { store, clock });
  return { params, only: seed.only };
}

/**
 * An item's key is short enough, but its result's may have a longer prefix and suffix.
 * @throws ItemError `KEY_TOO_LONG`
 */
function writableResultKey(level: Level, path: ItemPath): string {
  const key = resultKey(level, path);
  if (key.length > maxKeyBytes)
    throw new ItemError('KEY_TOO_LONG', `The result's key has ${key.length} bytes; S3 takes ${maxKeyBytes}.`);
  return key;
}

async function leaveReceipt(
  path: ItemPath,
  object: StoredObject,
  expansion: StoredChildren & { items?: number },
  { event, work, deps }: Attempt,
): Promise<void> {
  const { level, store, clock } = deps;
  const receipt = {
    run: path.run,
    level: level.name,
    key: event.key,
    inputETag: object.eTag,
    ...expansion,
    apiCalls: work.apiCalls,
    attempt: work.attempt,
    at: new Date(clock.now()).toISOString(),
  };
  await writeReceipt(level, path, receipt, store);
}

/** @throws ItemError `NOT_JSON`: an object under a level's prefix that the engine did not write */
function throwUnlessJson(key: string, body: string): void {
  if (body.trim() === '')
    throw new ItemError('NOT_JSON', `The item ${key} is empty; it was expected to be the API's JSON.`);
  try {
    JSON.parse(body);
  } catch (error) {
    throw new ItemError(
      'NOT_JSON',
      `The item ${key} is not JSON (${(error as SyntaxError).message}). Was it put there by hand?`,
      { cause: error },
    );
  }
}
