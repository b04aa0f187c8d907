/**
 * S3 in memory: conditional writes, listings by pages in byte order that see what was written between two of them, times in whole
 * seconds, an ETag that hangs on the content alone, and events for what appears under a level's prefix.
 */
import type { Body, Listed, Metadata, ObjectStore } from '../../shared/engine/ports.ts';
import type { Core } from './core.ts';
import type { Faults } from './faults.ts';
import { KeyOrder } from './key-order.ts';
import type { Life, Operation } from './life.ts';
import { hashText } from './random.ts';
import type { VirtualTime } from './virtual-time.ts';

/** Page object-keys. */
const longestKeyBytes = 1_024;

export type Stored = { body: string; eTag: string; metadata: Metadata; modifiedMs: number };

/** Who changes an object: an invocation, or a person outside of any. */
export type Actor = Life | 'person';

export type BucketWatch = (key: string, before: Stored | undefined, after: Stored | undefined, by: Actor) => void;

export class Bucket {
  readonly objects = new Map<string, Stored>();
  readonly #order = new KeyOrder();
  readonly #core: Core;
  readonly #time: VirtualTime;
  readonly #faults: Faults;
  readonly #pageSize: number;
  readonly #writesAtOnce: number;
  /** Conditional writes of an invocation that have no answer yet. */
  readonly #creating = new WeakMap<Life, number>();
  readonly #onChange: BucketWatch;
  readonly #onTooMany: (what: string) => void;
  readonly #onAsk: (what: string, life: Life) => void;
  readonly #onAnswered: (what: string, life: Life) => void;
  readonly #onFailed: (life: Life) => void;

  constructor(options: {
    core: Core;
    time: VirtualTime;
    faults: Faults;
    pageSize: number;
    /** So many children an invocation may write at a time. */
    writesAtOnce: number;
    onTooMany: (what: string) => void;
    /** An invocation asks for something, by its verb and its key; and has an answer to it. */
    onAsk: (what: string, life: Life) => void;
    onAnswered: (what: string, life: Life) => void;
    onFailed: (life: Life) => void;
    onChange: BucketWatch;
  }) {
    this.#core = options.core;
    this.#time = options.time;
    this.#faults = options.faults;
    this.#pageSize = options.pageSize;
    this.#writesAtOnce = options.writesAtOnce;
    this.#onTooMany = options.onTooMany;
    this.#onAsk = options.onAsk;
    this.#onAnswered = options.onAnswered;
    this.#onFailed = options.onFailed;
    this.#onChange = options.onChange;
  }

  write(key: string, body: string, metadata: Metadata, by: Actor): void {
    const before = this.objects.get(key);
    const eTag = hashText(body, 1).toString(16).padStart(8, '0');
    const after = { body, eTag, metadata, modifiedMs: Math.floor(this.#time.nowMs / 1000) * 1000 };
    if (before === undefined) this.#order.add(key);
    this.objects.set(key, after);
    this.#onChange(key, before, after, by);
  }

  delete(key: string, by: Actor): void {
    const before = this.objects.get(key);
    if (before === undefined) return;
    this.objects.delete(key);
    this.#order.remove(key);
    this.#onChange(key, before, undefined, by);
  }

  /** As one invocation sees it. */
  storeFor(life: Life): ObjectStore {
    const { objects } = this;
    const ask = <T>(name: string, act: () => T, more: Partial<Operation<T>> = {}): Promise<T> => {
      if (!life.isDead) this.#onAsk(name, life);
      const actAndTell = (): T => {
        this.#onAnswered(name, life);
        return act();
      };
      return (
        refuseLongKey(name) ??
        life.operate({
          name,
          act: actAndTell,
          mutates: false,
          failures: { before: 's3-fails', error: () => this.#failed(name, life) },
          latencyMs: [5, 40],
          ...more,
        })
      );
    };
    const change = <T>(name: string, act: () => T): Promise<T> =>
      ask(name, act, {
        mutates: true,
        failures: { before: 's3-fails', answerLost: 's3-answer-lost', error: () => this.#failed(name, life) },
      });

    const listPage = (prefix: string, after: string): Promise<Listed[]> =>
      ask(`list ${prefix} after ${after}`, () =>
        this.#order.page(prefix, after, this.#pageSize).map((key) => {
          const { eTag = '', modifiedMs = 0, body = '' } = objects.get(key) ?? {};
          return { key, eTag, sizeBytes: Buffer.byteLength(body), modifiedMs };
        }),
      );

    return {
      get: async (key, maxBytes) => {
        const object = await ask(`get ${key}`, () => objects.get(key));
        if (object !== undefined && object.body.length > maxBytes)
          throw new this.#core.ItemError('TOO_LARGE', `The object is larger than ${maxBytes} bytes [key=${key}].`);
        return object;
      },
      head: (key) => ask(`head ${key}`, () => objects.get(key)),
      create: async (key, body, metadata) => {
        const name = `create ${key}`;
        // The adapter repeats a write after a 409; this is one that does not end.
        if (this.#faults.strikes('s3-conflict-409', this.#faults.site(`conflict ${key}`)))
          throw this.#failed(name, life);
        return this.#createBy(life, () =>
          change(name, () => {
            if (objects.has(key)) return 'exists';
            this.write(key, textOf(body), metadata, life);
            // The SDK has lost the answer to its first attempt, and its second one finds the object.
            return this.#faults.strikes('s3-late-412', this.#faults.site(`late ${key}`)) ? 'exists' : 'created';
          }),
        );
      },
      put: (key, body, metadata) => change(`put ${key}`, () => this.write(key, body, metadata, life)),
      replace: (key, body, metadata, eTag) =>
        change(`replace ${key}`, () => {
          if (objects.get(key)?.eTag !== eTag) return 'changed';
          this.write(key, textOf(body), metadata, life);
          return 'replaced';
        }),
      remove: (key) => change(`remove ${key}`, () => this.delete(key, life)),
      list: async function* (prefix) {
        for (let after = ''; ;) {
          const page = await listPage(prefix, after);
          const last = page.at(-1);
          // Of nothing there is a page, too.
          if (last === undefined && after !== '') return;
          yield page;
          if (last === undefined) return;
          after = last.key;
        }
      },
    };
  }

  async #createBy<T>(life: Life, create: () => Promise<T>): Promise<T> {
    const running = (this.#creating.get(life) ?? 0) + 1;
    this.#creating.set(life, running);
    if (running > this.#writesAtOnce) this.#onTooMany(`${life.name} writes ${running} children at a time`);
    try {
      return await create();
    } finally {
      this.#creating.set(life, (this.#creating.get(life) ?? 1) - 1);
    }
  }

  #failed(name: string, life: Life): Error {
    this.#onFailed(life);
    return new this.#core.TransientError('SlowDown', `S3 failed: ${name}.`);
  }
}

/** S3 answers 400. An operation's name is its verb and its key. */
function refuseLongKey(name: string): Promise<never> | undefined {
  const key = name.slice(name.indexOf(' ') + 1);
  if (name.startsWith('list ') || Buffer.byteLength(key) <= longestKeyBytes) return undefined;
  return Promise.reject(new Error(`KeyTooLongError: ${key.slice(0, 80)}…`));
}

function textOf(body: Body): string {
  return typeof body === 'string' ? body : Buffer.from(body).toString('utf8');
}
