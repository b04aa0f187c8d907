/** A chain whose last level has batches, in a bucket in memory: its functions are called one attempt at a time. */
import { createChain, levelNamed, type Chain } from '../../shared/engine/chain/chain.ts';
import { itemPathOf } from '../../shared/engine/chain/keys.ts';
import { newEvent, type ItemEvent } from '../../shared/engine/events.ts';
import type { ItemCounts, ItemDeps, Outcome } from '../../shared/engine/item/attempt.ts';
import { batchBody, batchElement, batchMetadata } from '../../shared/engine/item/batch.ts';
import { parseFailureNote, type FailureNote } from '../../shared/engine/item/failure-note.ts';
import { createFailureWatch } from '../../shared/engine/item/failure-watch.ts';
import type { Fetch } from '../../shared/engine/item/fetch.ts';
import { processItem } from '../../shared/engine/item/item.ts';
import { takeCensus } from '../../shared/engine/report/census.ts';
import { takeRunReport, type LevelReport, type RunReport } from '../../shared/engine/report/run-report.ts';
import { TestClock } from './clock.ts';
import { itemDeps, type Sent } from './item-deps.ts';
import { MemoryObjectStore } from './object-store.ts';

/** @param batch how many books of a shelf an object holds; 1: each is an object of its own, as in version 0.1 */
export function chainOfBooks(batch: number): Chain {
  return createChain({
    levels: [
      { name: 'shelves', children: 'many', id: 'shelf' },
      { name: 'books', children: 'many', id: 'book' },
      { name: 'pages', children: 'one', batch, callsInFlight: batch > 1 ? 2 : 1 },
    ],
  });
}

/** Batches of four. */
export const bookChain = chainOfBooks(4);
export const pages = levelNamed(bookChain, 'pages');

/** The first batch of the shelf `s`, and what belongs to it. */
export const batchKey = 'books/r/s/00000.json';
export const partKey = 'pages/r/s/00000.ndjson';
export const noteKey = 'failures/pages/r/s/00000.json';

export type Answer = (id: string) => string | Error | Promise<string>;

export class BatchWorld {
  readonly clock = new TestClock();
  readonly chain: Chain;
  readonly store = new MemoryObjectStore(this.clock);
  /** The last id of each item that the API was asked for. */
  calls: string[] = [];
  readonly letters: Sent[] = [];
  readonly waiting: Sent[] = [];
  readonly counts: ItemCounts[] = [];

  constructor(chain = bookChain) {
    this.chain = chain;
  }

  /** An attempt of a batch. @param answer by the item's own id */
  fetchPages(
    answer: Answer = (id) => `{"page":"${id}"}`,
    { key = batchKey, ...event }: Partial<ItemEvent> = {},
    deps: Partial<ItemDeps> = {},
  ): Promise<Outcome> {
    const fetch: Fetch = {
      one: (item, gate) =>
        gate(async () => {
          const id = item.ids.at(-1) ?? '';
          this.calls.push(id);
          const given = await answer(id);
          if (given instanceof Error) throw given;
          return { body: given, contentType: 'application/json' };
        }),
    };
    return this.#attempt('pages', key, fetch, event, deps);
  }

  /** An attempt of a shelf, by default `s`, of which the API gives these pages of ids. */
  expandShelf(
    lists: readonly (readonly string[])[],
    { key = 'shelves/r/s.json', ...event }: Partial<ItemEvent> = {},
  ): Promise<Outcome> {
    const fetch: Fetch = {
      async *many(_item, gate) {
        for (const ids of lists)
          yield await gate(() =>
            Promise.resolve({ children: ids.map((id) => ({ id, body: `{"id": "${id}",\n"n":1.0}` })) }),
          );
      },
    };
    return this.#attempt('books', key, fetch, event, {});
  }

  /** The sweep asks for the shelf once more, since it is short of children. */
  reexpandShelf(...lists: readonly (readonly string[])[]): Promise<Outcome> {
    return this.expandShelf(lists, { reexpand: true, atMs: this.clock.now() + 1 });
  }

  /** A batch as an expansion leaves it. */
  async dropBatch(ids: readonly string[], key = batchKey): Promise<void> {
    const parent = itemPathOf(pages, key)?.ids.slice(0, -1) ?? [];
    const elements = ids.map((id) => batchElement(parent, { id, body: `{"id":"${id}"}` }));
    await this.store.put(key, batchBody(elements), batchMetadata(ids.length, {}));
  }

  /** The function is gone when it asks for one of these items: nothing of it ends or is written. @returns whether it asked */
  async crashAt(ids: readonly string[], event: Partial<ItemEvent>): Promise<boolean> {
    const never = new Promise<never>(() => undefined);
    let isStopped = false;
    let stop = (): void => undefined;
    const stopped = new Promise<'stopped'>((resolve) => (stop = () => resolve('stopped')));
    const answer: Answer = (id) => {
      if (!isStopped && !ids.includes(id)) return '1';
      isStopped = true;
      stop();
      return never;
    };
    const store = new Proxy(this.store, {
      get(target, name) {
        const member: unknown = Reflect.get(target, name);
        if (typeof member !== 'function') return member;
        return (...given: unknown[]): unknown => (isStopped ? never : Reflect.apply(member, target, given));
      },
    });
    return (await Promise.race([this.fetchPages(answer, event, { store }), stopped])) === 'stopped';
  }

  /** The ids of the items in the batches, by the batches' keys. */
  batches(): Record<string, string[]> {
    const keys = this.store.keys('books/r/');
    return Object.fromEntries(
      keys.map((key) => [key, (this.store.json(key) as { ids: string[] }[]).map(({ ids }) => ids.at(-1) ?? '')]),
    );
  }

  /** The ids of all lines of all parts, read with a reader of its own. */
  results(): string[] {
    return this.store
      .keys('pages/r/')
      .filter((key) => key.endsWith('.ndjson'))
      .flatMap((key) => (this.store.objects.get(key)?.body ?? '').split('\n').filter((line) => line !== ''))
      .map((line) => (JSON.parse(line) as { book: string }).book)
      .sort();
  }

  /** @throws Error when there is none that can be read */
  note(key = noteKey): FailureNote {
    const note = parseFailureNote(this.store.objects.get(key)?.body ?? '');
    if (note === undefined) throw new Error(`There is no note ${key}.`);
    return note;
  }

  report(): Promise<RunReport> {
    const terms = { now: () => this.clock.now(), lostAfterMs: () => 1000, retryingForMs: 1000, stoppedUntilMs: 0 };
    return takeRunReport('r', takeCensus(this.chain, 'r', this.store), terms);
  }

  /** What a report counts of the last level. */
  async reportedPages(): Promise<LevelReport | undefined> {
    return (await this.report()).levels.at(-1);
  }

  #attempt(
    levelName: string,
    key: string,
    fetch: Fetch,
    event: Partial<ItemEvent>,
    deps: Partial<ItemDeps>,
  ): Promise<Outcome> {
    const { chain, clock, store } = this;
    const level = levelNamed(chain, levelName);
    const base = itemDeps({ chain, level, fetch, store, clock, deadLetters: this.letters, waiting: this.waiting });
    return processItem(
      { ...newEvent(key, clock.now()), ...event },
      {
        ...base,
        // A note that was just written is looked for at once.
        hasFailures: createFailureWatch(level, store, clock, 0),
        onBatch: (each) => void this.counts.push(each),
        ...deps,
      },
    );
  }
}
