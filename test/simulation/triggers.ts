/**
 * What brings events to a level's function. Direct: Lambda's own queue, with retries, throttles and the events' age (pages
 * invocation-async-error-handling, invocation-async-retain-records). Queue: an SQS queue with visibility, a number of receives
 * and partial batch failures.
 */
import { describeEnd, type Environments } from './environments.ts';
import type { Faults } from './faults.ts';
import type { Handler } from './deployment.ts';
import type { Life, LifeEnd } from './life.ts';
import { keysOfEvent, type EventKey } from './model.ts';
import type { Queue } from './queue.ts';
import type { VirtualTime } from './virtual-time.ts';

const retryWaitsMs = [60_000, 120_000];
const firstThrottleWaitMs = 1_000;
const longestThrottleWaitMs = 300_000;

export type Trigger = {
  /** Takes an event: from here on it is AWS's. @param isRefired it came from a replay, a sweep or the waiting queue */
  accept(payload: string, isRefired?: boolean): void;
};

export type TriggerOptions = {
  level: string;
  time: VirtualTime;
  faults: Faults;
  environments: Environments;
  deadLetters: Queue;
  handler: Handler;
  /** The events' age, or the messages' retention, in milliseconds. */
  patienceMs: number;
  /** An event's invocation ended well, so that AWS forgets the event. */
  onConsumed: (payload: string, life: Life) => void;
  say: (line: string) => void;
};

type Event = {
  id: string;
  payload: string;
  isRefired: boolean;
  acceptedMs: number;
  failedRuns: number;
  throttles: number;
};

/** @param plainLetters dead letters as `DeadLetterConfig` sends them, instead of destination records */
export function createDirectTrigger(options: TriggerOptions, plainLetters: boolean): Trigger {
  const { level, time, faults, environments, deadLetters, handler, patienceMs, onConsumed, say } = options;
  let accepted = 0;

  function attempt(event: Event): void {
    if (time.nowMs - event.acceptedMs > patienceMs) {
      toDestination(event, 'EventAgeExceeded');
      return;
    }
    if (environments.limit === 0) {
      toDestination(event, 'ZeroReservedConcurrency');
      return;
    }
    if (!environments.hasRoom) {
      event.throttles += 1;
      const waitMs = Math.min(longestThrottleWaitMs, firstThrottleWaitMs * 2 ** (event.throttles - 1));
      time.in(waitMs, () => attempt(event));
      return;
    }
    const { isRefired, failedRuns } = event;
    const keys = keysOfEvent(event.payload).map((key) => ({
      ...key,
      isRepeated: failedRuns > 0 || (isRefired && isCounted(key)),
    }));
    say(`${event.id} begins, try ${event.failedRuns + 1}: ${keys.map(({ key }) => key).join(', ')}`);
    const run = handler(JSON.parse(event.payload));
    environments.run({ name: event.id, events: keys, run }, (end, life) => {
      say(`${event.id} ${describeEnd(end)}`);
      if (end.how === 'answered') onConsumed(event.payload, life);
      else failed(event, end);
    });
  }

  function failed(event: Event, end: LifeEnd): void {
    event.failedRuns += 1;
    const waitMs = retryWaitsMs[event.failedRuns - 1];
    if (waitMs === undefined) {
      toDestination(event, 'RetriesExhausted', end);
      return;
    }
    if (faults.strikes('queue-loses-event', faults.site(`retry ${nameOf(event.payload)}`))) return;
    time.in(waitMs, () => attempt(event));
  }

  /** If it can't be delivered there, the event is deleted. */
  function toDestination({ id, payload, failedRuns }: Event, condition: string, end?: LifeEnd): void {
    if (faults.strikes('destination-fails', faults.site(`destination ${nameOf(payload)}`))) return;
    say(`${id} goes to ${deadLetters.name}: ${condition}`);
    const error = end?.how === 'threw' && end.error instanceof Error ? end.error : undefined;
    const errorMessage = error?.message ?? 'Task timed out';
    if (plainLetters) {
      deadLetters.add(payload, { RequestID: id, ErrorCode: '200', ErrorMessage: errorMessage });
      return;
    }
    const record = {
      version: '1.0',
      timestamp: new Date(time.nowMs).toISOString(),
      requestContext: {
        requestId: id,
        functionArn: `arn:aws:lambda:${level}`,
        condition,
        approximateInvokeCount: failedRuns,
      },
      requestPayload: JSON.parse(payload) as unknown,
      ...(end !== undefined && {
        responseContext: { statusCode: 200, executedVersion: '$LATEST', functionError: 'Unhandled' },
        responsePayload: { errorType: error?.name ?? 'Runtime.ExitError', errorMessage },
      }),
    };
    deadLetters.add(JSON.stringify(record));
  }

  return {
    accept(payload, isRefired = false) {
      accepted += 1;
      const id = `${level}-${accepted}`;
      const site = faults.site(`event ${nameOf(payload)}`);
      if (faults.strikes('queue-loses-event', site)) return;
      const enqueue = (name: string, delayMs: number): void => {
        const event = { id: name, payload, isRefired, acceptedMs: time.nowMs, failedRuns: 0, throttles: 0 };
        time.in(delayMs, () => attempt(event));
      };
      enqueue(id, faults.between(site, 'queue', 5, 200));
      if (faults.strikes('queue-duplicates-event', site))
        enqueue(`${id}-copy`, faults.between(site, 'copy', 5, 90_000));
    },
  };
}

export type QueueSettings = { batchSize: number; maxReceives: number; visibilityMs: number };

type Message = {
  id: string;
  body: string;
  isRefired: boolean;
  sentAtMs: number;
  receives: number;
  hiddenUntilMs: number;
};

export function createQueueTrigger(options: TriggerOptions, settings: QueueSettings): Trigger {
  const { level, time, faults, environments, deadLetters, handler, patienceMs, onConsumed, say } = options;
  const messages = new Map<string, Message>();
  let sent = 0;

  /** The messages that are to be had now; those received too often go to the dead letters instead, as they are. */
  function receive(): Message[] {
    const batch: Message[] = [];
    for (const message of messages.values()) {
      if (message.hiddenUntilMs > time.nowMs) continue;
      if (time.nowMs - message.sentAtMs > patienceMs) messages.delete(message.id);
      else if (message.receives >= settings.maxReceives) {
        messages.delete(message.id);
        say(`${message.id} goes to ${deadLetters.name} after ${message.receives} receives`);
        deadLetters.add(message.body);
      } else if (batch.length < settings.batchSize) {
        const isTwice = faults.strikes('queue-duplicates-event', faults.site(`hide ${nameOf(message.body)}`));
        message.receives += 1;
        // Whatever hides it, nobody wakes up when it is over but this.
        hide(message, isTwice ? 1_000 : settings.visibilityMs);
        batch.push(message);
      }
    }
    return batch;
  }

  function hide(message: Message, forMs: number): void {
    message.hiddenUntilMs = time.nowMs + forMs;
    time.in(forMs, poll);
  }

  function poll(): void {
    while (environments.hasRoom) {
      const batch = receive();
      if (batch.length === 0) return;
      const delivered = batch.map(({ id, body, receives, isRefired }) => ({ id, body, receives, isRefired }));
      const keys = delivered.flatMap(({ body, receives, isRefired }) =>
        keysOfEvent(body).map((key) => ({ ...key, isRepeated: receives > 1 || (isRefired && isCounted(key)) })),
      );
      say(
        `${delivered.map(({ id, receives }) => `${id} (${receives})`).join(', ')} begin: ${keys.map(({ key }) => key).join(', ')}`,
      );
      const run = handler({
        Records: delivered.map(({ id, body, receives }) => ({
          eventSource: 'aws:sqs',
          messageId: id,
          receiptHandle: id,
          body,
          attributes: { ApproximateReceiveCount: String(receives) },
          postpone: (forMs: number) => {
            const message = messages.get(id);
            if (message !== undefined) hide(message, forMs);
          },
        })),
      });
      environments.run({ name: delivered.map(({ id }) => id).join('+'), events: keys, run }, (end, life) => {
        say(`${delivered.map(({ id }) => id).join(', ')} ${describeEnd(end)}`);
        if (end.how === 'answered') {
          const failed = new Set((end.answer as { batchItemFailures: string[] }).batchItemFailures);
          for (const { id, body } of delivered) {
            if (failed.has(id)) continue;
            messages.delete(id);
            onConsumed(body, life);
          }
        }
        time.in(20, poll);
      });
    }
  }

  return {
    accept(body, isRefired = false) {
      sent += 1;
      const id = `${level}-${sent}`;
      messages.set(id, { id, body, isRefired, sentAtMs: time.nowMs, receives: 0, hiddenUntilMs: 0 });
      time.in(faults.between(faults.site(`message ${nameOf(body)}`), 'poll', 5, 200), poll);
    },
  };
}

/** Names an event's place by what it is about, and not by its time. */
function nameOf(payload: string): string {
  return keysOfEvent(payload)
    .map(({ key }) => key)
    .join(' ');
}

/** What was given out again says so, but for what a person has made up. */
function isCounted({ replays, refires, waited, again }: EventKey): boolean {
  return replays + refires + waited > 0 || again;
}
