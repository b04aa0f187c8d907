/** What a function gives to the engine for one item, in memory: calls are as many as can be, and none is made again. */
import type { Chain, Level } from '../../shared/engine/chain/chain.ts';
import type { FailureReason, ItemEvent } from '../../shared/engine/events.ts';
import type { ItemDeps } from '../../shared/engine/item/attempt.ts';
import { createFailureWatch } from '../../shared/engine/item/failure-watch.ts';
import type { Fetch } from '../../shared/engine/item/fetch.ts';
import { createRunControls } from '../../shared/engine/runs/run-control.ts';
import { createRunParamsReader } from '../../shared/engine/runs/run-params.ts';
import type { TestClock } from './clock.ts';
import type { MemoryObjectStore } from './object-store.ts';
import { freeTurns } from './turns.ts';

/** What was sent to a dead-letter or waiting queue. */
export type Sent = { event: ItemEvent; reason: FailureReason };

type World = {
  chain: Chain;
  level: Level;
  fetch: Fetch;
  store: MemoryObjectStore;
  clock: TestClock;
  deadLetters: Sent[];
  waiting: Sent[];
};

export function itemDeps({ deadLetters, waiting, ...world }: World): ItemDeps {
  const { chain, level, store, clock } = world;
  const sinkTo = (list: Sent[]) => ({
    send: (event: ItemEvent, reason: FailureReason) => Promise.resolve(void list.push({ event, reason })),
  });
  const nothing = (): void => undefined;
  const log = { info: nothing, warn: nothing, error: nothing };
  return {
    ...world,
    runParams: createRunParamsReader(chain, store),
    deadLetters: sinkTo(deadLetters),
    waiting: sinkTo(waiting),
    turns: freeTurns(),
    runControls: createRunControls({ store, clock, log }),
    hasFailures: createFailureWatch(level, store, clock, 20_000),
    random: () => 0,
    log,
    settings: {
      retry: { retries: 0, baseMs: 1, maxMs: 1, maxFreezeMs: 60_000, maxItemFreezeMs: 600_000, maxWaitMs: 3_600_000 },
      writeConcurrency: 4,
      maxChildren: 1000,
      maxItemBytes: 10_000,
      firstRetryMs: 48_000,
      maxBatchBytes: 1_000,
      maxPartBytes: 1_000,
    },
    requestId: 'request-1',
    deadlineMs: clock.now() + 60_000,
    signal: new AbortController().signal,
    onCall: nothing,
    onBatch: nothing,
  };
}
