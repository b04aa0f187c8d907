/** What a replay is asked for, and what it works with. */
import type { Level } from '../chain/chain.ts';
import type { Clock, EventSink, Log, MessageQueue, ObjectStore } from '../ports.ts';

export type ReplayRequest = {
  /** Only this level's; absent: all levels'. */
  level?: string | undefined;
  run?: string | undefined;
  /** Only items that failed for this reason. */
  code?: string | undefined;
  /** At most this many items. */
  limit?: number | undefined;
  /** Items a second. */
  rate?: number | undefined;
  /** Look and count, change nothing. */
  dryRun?: boolean | undefined;
  from?: 'dead-letters' | 'failures' | undefined;
  /** Take parked items again, and notes that Lambda may still retry; delete letters whose item no longer exists. */
  force?: boolean | undefined;
};

export type ReplayLevel = { level: Level; queue: MessageQueue; refire: EventSink };

export type ReplayDeps = {
  levels: readonly ReplayLevel[];
  store: ObjectStore;
  clock: Clock;
  log: Log;
  /** An item is parked instead of being replayed once more than this. */
  maxReplays: number;
  /** How long an item whose note says `transient` may still be retried by Lambda, in milliseconds. */
  retryingForMs: number;
  /** Milliseconds since 1970 by which to have stopped. */
  deadlineMs: number;
};
