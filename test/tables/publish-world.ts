/** Publishing in memory: a bucket, and its two functions as S3 would invoke them, one event after another. */
import { itemPathOf, resultKey, successKey } from '../../shared/engine/chain/keys.ts';
import { lastLevel, type Chain } from '../../shared/engine/chain/chain.ts';
import { newEvent, type FailureReason, type ItemEvent } from '../../shared/engine/events.ts';
import type { Log, ObjectStore } from '../../shared/engine/ports.ts';
import { pieceLimits, type PieceLimits } from '../../shared/engine/publish/plan.ts';
import { takePublishEvent } from '../../shared/engine/publish/publish-event.ts';
import { publishLevels } from '../../shared/engine/publish/publish-levels.ts';
import { publishPiece } from '../../shared/engine/publish/publish-piece.ts';
import { publishRun } from '../../shared/engine/publish/publish-run.ts';
import { createParquetFile } from '../../shared/parquet/parquet-file.ts';
import { TestClock } from '../memory/clock.ts';
import { MemoryObjectStore } from '../memory/object-store.ts';

const quiet: Log = { info: () => undefined, warn: () => undefined, error: () => undefined };

export class PublishWorld {
  readonly clock = new TestClock();
  readonly store = new MemoryObjectStore(this.clock);
  readonly letters: FailureReason[] = [];
  readonly outcomes: string[] = [];
  readonly chain: Chain;
  readonly levels;
  readonly #limits: PieceLimits;
  /** What the functions see of the bucket. */
  #seen: ObjectStore = this.store;

  constructor(chain: Chain, limits: Partial<PieceLimits> = {}) {
    const levels = publishLevels(chain);
    if (levels === undefined) throw new Error('The chain has no tables.');
    this.chain = chain;
    this.levels = levels;
    this.#limits = { ...pieceLimits, ...limits };
  }

  /** Has the functions work on another store, such as one that fails. */
  seeThrough(change: (store: MemoryObjectStore) => ObjectStore): void {
    this.#seen = change(this.store);
  }

  /** A result of the last level. @param json the API's text */
  async result(run: string, ids: readonly string[], json: string): Promise<void> {
    const metadata = { 'fetched-at': '2026-11-20T10:00:00.123Z' };
    await this.store.put(resultKey(lastLevel(this.chain), { run, ids }), json, metadata);
  }

  /** @param mark another one is another success marker */
  complete(run: string, mark = '1'): void {
    this.store.drop(successKey(this.chain, run), JSON.stringify({ run, mark }));
  }

  /** The success marker's event, and those of the pieces that it leads to. */
  async publish(run: string): Promise<void> {
    await this.take(newEvent(successKey(this.chain, run), this.clock.now()));
    await this.takePieces();
  }

  async takePieces(): Promise<void> {
    for (const key of this.store.keys('pieces/')) await this.take(newEvent(key, this.clock.now()));
  }

  /** One event of either function. @throws what the function throws */
  async take(event: ItemEvent): Promise<void> {
    const isPiece = itemPathOf(this.levels.piece, event.key) !== undefined;
    const level = isPiece ? this.levels.piece : this.levels.publish;
    const store = this.#seen;
    const common = { store, clock: this.clock, log: quiet };
    const deps = { ...common, chain: this.chain, limits: this.#limits, deadlineMs: Infinity };
    const deadLetters = {
      send: (_: ItemEvent, reason: FailureReason) => Promise.resolve(void this.letters.push(reason)),
    };
    const work = (): Promise<{ outcome: string }> =>
      isPiece
        ? publishPiece(event, this.levels, { ...deps, createTableFile: createParquetFile })
        : publishRun(event, this.levels, deps);
    const { outcome } = await takePublishEvent(event, work, { ...common, level, deadLetters, requestId: 'r' });
    this.outcomes.push(outcome);
  }

  /** What is under `tables/`, by key. */
  tables(): [key: string, body: Uint8Array][] {
    return this.store.keys('tables/').map((key) => [key, this.store.objects.get(key)?.bytes ?? new Uint8Array()]);
  }
}
