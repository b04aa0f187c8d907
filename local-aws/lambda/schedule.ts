/**
 * A rule that gives a function an event again and again, as EventBridge's `rate(15 minutes)` does. There are no cron
 * expressions, and a schedule does not keep the process alive.
 */
import { randomUUID } from 'node:crypto';
import { regionOf } from './definition.ts';

export type Schedule = { stop: () => void };

export type ScheduleOptions = {
  /** Real milliseconds. */
  readonly everyMs: number;
  /** JSON; undefined: the event that EventBridge makes. */
  readonly input: string | undefined;
  readonly functionArn: string;
  readonly now: () => number;
  readonly fire: (payload: string) => void;
};

/** setInterval takes a bigger number for 1 ms. */
const longestIntervalMs = 2 ** 31 - 1;

/** @throws RangeError for an interval that can't be kept */
export function startSchedule({ everyMs, input, functionArn, now, fire }: ScheduleOptions): Schedule {
  if (!(everyMs > 0 && everyMs <= longestIntervalMs)) throw new RangeError(`can't fire every ${everyMs} ms`);
  const timer = setInterval(() => fire(input ?? scheduledEvent(functionArn, now())), everyMs).unref();
  return { stop: () => clearInterval(timer) };
}

/** The event of a rule without an input of its own (EventBridge's user guide, page eb-run-lambda-schedule). */
function scheduledEvent(functionArn: string, nowMs: number): string {
  return JSON.stringify({
    version: '0',
    id: randomUUID(),
    'detail-type': 'Scheduled Event',
    source: 'aws.events',
    account: functionArn.split(':')[4],
    time: `${new Date(nowMs).toISOString().slice(0, 19)}Z`,
    region: regionOf(functionArn),
    resources: [],
    detail: {},
  });
}
