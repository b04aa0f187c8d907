/**
 * What S3 may do to notifications ("at least once", unordered, "best effort"), on request, for tests: copies, another order,
 * loss. With faults on, an event no longer enters the queue in the transaction of its object.
 */

import { detached } from './lifecycle.ts';

export type NotificationFaults = {
  /** How often each event is delivered; default 1. */
  copies?: number;
  /** Deliver out of order, the same way for the same number. */
  shuffleSeed?: number;
  /** The events of these keys are lost. */
  drop?: (key: string) => boolean;
};

export type NotificationLine = {
  /** Called inside the object's transaction. */
  send: (key: string, deliver: () => void) => void;
  /** Resolves when nothing is held back. */
  drained: () => Promise<void>;
  readonly held: number;
  stop: () => void;
};

/** Events that are held back to be mixed: enough to bring a parent's children behind its siblings'. */
const mixSize = 50;
/** Whatever is held back is delivered when no more comes for so long. */
const quietMs = 5;

/** How events get from S3 to the queue: at once, unless there are faults. */
export function notificationLine(faults: NotificationFaults | undefined): NotificationLine {
  if (faults === undefined) {
    return {
      send: (_key, deliver) => deliver(),
      drained: () => Promise.resolve(),
      held: 0,
      stop: () => undefined,
    };
  }
  const { copies = 1, shuffleSeed, drop = () => false } = faults;
  const random = pseudoRandom(shuffleSeed ?? 0);
  const held: (() => void)[] = [];
  const waiting: (() => void)[] = [];
  let timer: NodeJS.Timeout | undefined;

  const deliverSome = (leave: number): void => {
    while (held.length > leave) {
      const at = shuffleSeed === undefined ? 0 : Math.floor(random() * held.length);
      const [deliver] = held.splice(at, 1);
      deliver?.();
    }
    if (held.length === 0) for (const resolve of waiting.splice(0)) resolve();
  };
  const later = (): void => {
    if (timer !== undefined) return;
    // Never in the object's transaction, which may still be rolled back.
    timer = setTimeout(() => {
      timer = undefined;
      const before = held.length;
      detached(() => deliverSome(before > mixSize ? mixSize : 0));
      if (held.length > 0) later();
    }, quietMs);
  };
  return {
    send(key, deliver) {
      if (drop(key)) return;
      for (let copy = 0; copy < copies; copy += 1) held.push(deliver);
      later();
    },
    drained: () => (held.length === 0 ? Promise.resolve() : new Promise((resolve) => waiting.push(resolve))),
    get held() {
      return held.length;
    },
    stop() {
      clearTimeout(timer);
      held.length = 0;
    },
  };
}

/** mulberry32: small, and good enough to shuffle with. */
export function pseudoRandom(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4_294_967_296;
  };
}
