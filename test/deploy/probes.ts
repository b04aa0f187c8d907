/**
 * Has each function do all that it can do, on an engine where nothing else happens: S3 sends no notifications, and what is given
 * to Lambda's queue is lost. Each function has runs of its own.
 */
import { buildS3Event } from '../../shared/aws/event-codec.ts';
import { firstLevel, isBatched, nextLevel, type Chain, type Level } from '../../shared/engine/chain/chain.ts';
import {
  doneKey,
  failureKey,
  finishedKey,
  itemKey,
  paramsKey,
  rateKey,
  freezeKey,
  seedKey,
  successKey,
} from '../../shared/engine/chain/keys.ts';
import { newEvent } from '../../shared/engine/events.ts';
import { batchBody, batchElement } from '../../shared/engine/item/batch.ts';
import type { FailureNote } from '../../shared/engine/item/failure-note.ts';
import type { LocalAws, StoredObject } from '../../local-aws/index.ts';
import { probePublishing } from './publish-probes.ts';

/** A complete run, as the chain left it: its objects by key. */
export type CompleteRun = { run: string; objects: ReadonlyMap<string, StoredObject & { body: Uint8Array }> };

export class Probe {
  readonly #engine: LocalAws;
  readonly #chain: Chain;
  readonly #complete: CompleteRun;

  constructor(engine: LocalAws, chain: Chain, complete: CompleteRun) {
    this.#engine = engine;
    this.#chain = chain;
    this.#complete = complete;
  }

  /** The usual. */
  async run(): Promise<void> {
    this.#put(rateKey, '{}');
    await Promise.all([this.#rate(), this.#replay(), this.#sweep(), this.#status()]);
    // Last, since what they leave on the dead-letter queues is not for this replay.
    await Promise.all(this.#chain.levels.map((level) => this.#fetch(level)));
  }

  /** Complete runs are published. */
  async runPublishing(): Promise<void> {
    const { s3, bucket } = this.#engine;
    await probePublishing({
      chain: this.#chain,
      put: (key, body) => {
        this.#put(key, body);
        return key;
      },
      keys: (prefix) => s3.list(bucket, { prefix }).contents.map(({ key }) => key),
      call: (name, event) => this.#call(name, event),
      event: (key, replays) => this.#event(key, replays),
      send: (level, kind, body) => this.#send(level, kind, body),
      copyRun: (run) => {
        for (const key of this.#complete.objects.keys()) this.#copy(key, run);
      },
      eTagOf: (key) => s3.head(bucket, key).eTag,
    });
  }

  /** Items have to wait in a pause. */
  async runPaused(): Promise<void> {
    this.#put(rateKey, '{"paused":true}');
    await Promise.all(
      this.#chain.levels.map((level) =>
        this.#call(level.function, this.#event(this.#copyItem(level, `paused-${level.function}`))),
      ),
    );
  }

  /**
   * The API asks each level to be left alone for a second, and all are told.
   * @param refuse has the API refuse one call of a level
   */
  async runFrozen(refuse: (level: Level, ids: readonly string[]) => void): Promise<void> {
    this.#put(rateKey, '{}');
    for (const level of this.#chain.levels) {
      this.#engine.s3.delete(this.#engine.bucket, freezeKey);
      const item = this.#copyItem(level, `frozen-${level.function}`);
      refuse(level, this.#idsOf(level));
      await this.#call(level.function, this.#event(item));
    }
  }

  /** A message that can't be read: SQS is told how long it is to stay away. Its handle is none. */
  async runMessages(): Promise<void> {
    const attributes = { ApproximateReceiveCount: '1' };
    const message = { messageId: '1', receiptHandle: 'none', body: '', attributes, eventSource: 'aws:sqs' };
    for (const level of this.#chain.levels) await this.#call(level.function, { Records: [message] });
  }

  /** An item that is new, done, and one that the API does not know. */
  async #fetch(level: Level): Promise<void> {
    const run = `run-${level.function}`;
    const item = this.#copyItem(level, run);
    const isSeed = level.name === firstLevel(this.#chain).name;
    const unknown = isSeed
      ? seedKey(`bad-${run}`)
      : item.replace(/[^/]+(?=\.json$)/, isBatched(level) ? '00009' : 'unknown');
    this.#put(
      unknown,
      isBatched(level)
        ? batchBody([batchElement(this.#idsOf(level).slice(0, -1), { id: 'unknown', body: '{}' })])
        : '[]',
    );
    // As if another attempt had written the children's batches before, and these had results.
    const next = nextLevel(this.#chain, level);
    if (next !== undefined && isBatched(next)) {
      this.#copyItem(next, run);
      this.#copy(doneKey(next, this.#path(next, this.#complete.run)), run);
    }
    // As if the seed had been dropped before: what the run was started with is compared.
    if (isSeed) this.#copy(paramsKey(this.#complete.run), run);
    // As if the run had been complete before.
    for (const key of [finishedKey(run, 'earlier'), successKey(this.#chain, run)]) this.#put(key, '{}');
    for (const key of [item, item, unknown]) await this.#call(level.function, this.#event(key));
  }

  async #rate(): Promise<void> {
    for (const level of this.#chain.levels)
      for (const body of [this.#event(itemKey(level, this.#path(level, 'waited'))), 'not understood'])
        this.#send(level, 'waiting', body);
    await this.#call('rate', {});
  }

  /** A letter of each kind for each level: to be replayed, done, replayed too often, and not understood. */
  async #replay(): Promise<void> {
    for (const level of this.#chain.levels) {
      const [fresh, tired] = [this.#copyItem(level, 'replay-fresh'), this.#copyItem(level, 'replay-tired')];
      const done = this.#copyItem(level, 'replay-done');
      this.#copy(doneKey(level, this.#path(level, this.#complete.run)), 'replay-done');
      for (const letter of [this.#event(fresh), this.#event(done), this.#event(tired, 99)])
        this.#send(level, 'dead-letters', letter);
      this.#send(level, 'dead-letters', 'not understood');
    }
    await this.#call('replay', {});
    // From the notes that are in the bucket instead.
    for (const level of this.#chain.levels) {
      this.#copyItem(level, 'replay-noted');
      this.#noteFailure(level, 'replay-noted');
    }
    await this.#call('replay', { from: 'failures', run: 'replay-noted', force: true, dryRun: true });
  }

  /** A run that is complete, and one of which every item was lost; each item of a third has failed. */
  async #sweep(): Promise<void> {
    this.#restore();
    for (const level of this.#chain.levels) {
      this.#copyItem(level, 'sweep-lost');
      this.#copyItem(level, 'sweep-failed');
      this.#noteFailure(level, 'sweep-failed');
    }
    // As if it had been complete before.
    for (const key of [finishedKey('sweep-lost', 'earlier'), successKey(this.#chain, 'sweep-lost')])
      this.#put(key, '{}');
    // Twice: what a complete run was is compared with its marker.
    const whole = this.#complete.run;
    for (const run of [whole, whole, 'sweep-lost', 'sweep-failed']) await this.#call('sweep', { run, olderThan: 0 });
    await this.#call('sweep', {});
  }

  async #status(): Promise<void> {
    this.#restore();
    for (const level of this.#chain.levels) {
      this.#copyItem(level, 'status-failed');
      this.#noteFailure(level, 'status-failed');
    }
    for (const run of [this.#complete.run, 'status-failed']) await this.#call('status', { run, fresh: true });
    await this.#call('status', {});
  }

  /** What it answers does not matter here: an item that fails is one of the things that a function can do. */
  async #call(name: string, event: object): Promise<void> {
    await this.#engine.lambda.invoke(`${this.#engine.model.stackName}-${name}`, JSON.stringify(event));
  }

  #event(key: string, replays = 0): object {
    return buildS3Event({ ...newEvent(key, Date.now()), replays }, this.#engine.bucket);
  }

  #send(level: Level, kind: 'waiting' | 'dead-letters', body: object | string): void {
    const end = `-${level.name.replaceAll('_', '-')}-${kind}`;
    const queue = this.#engine.queues.find(({ name }) => name === `${this.#engine.model.stackName}${end}`);
    if (queue === undefined) throw new Error(`The template has no queue …${end}.`);
    this.#engine.sqs.sendMessage(queue.arn, typeof body === 'string' ? body : JSON.stringify(body));
  }

  #put(key: string, body: string): void {
    this.#engine.s3.put(this.#engine.bucket, key, Buffer.from(body));
  }

  /** The one item of a level in the complete run, as that of another. */
  #path(level: Level, run: string): { run: string; ids: string[] } {
    const prefix = `${level.reads}/${this.#complete.run}`;
    const key = [...this.#complete.objects.keys()].find((found) => found.startsWith(prefix));
    if (key === undefined) throw new Error(`The complete run has nothing under ${prefix}.`);
    const segments = key.slice(prefix.length + 1, -'.json'.length).split('/');
    return { run, ids: level.ids.length === 0 ? [] : segments.map(decodeURIComponent) };
  }

  /** The API's own ids of it: those of a batch's item stand in the batch. */
  #idsOf(level: Level): readonly string[] {
    const path = this.#path(level, this.#complete.run);
    if (!isBatched(level)) return path.ids;
    const object = this.#complete.objects.get(itemKey(level, path));
    const [first] = JSON.parse(Buffer.from(object?.body ?? '').toString()) as { ids: string[] }[];
    return first?.ids ?? [];
  }

  #copyItem(level: Level, run: string): string {
    return this.#copy(itemKey(level, this.#path(level, this.#complete.run)), run);
  }

  /** The complete run under its own name: its receipts hold digests of its keys. */
  #restore(): void {
    for (const key of this.#complete.objects.keys()) this.#copy(key, this.#complete.run);
  }

  #copy(key: string, run: string): string {
    const object = this.#complete.objects.get(key);
    if (object === undefined) throw new Error(`The complete run has no ${key}.`);
    const copied = key.replace(this.#complete.run, run);
    this.#engine.s3.put(this.#engine.bucket, copied, object.body, { headers: object.headers });
    return copied;
  }

  #noteFailure(level: Level, run: string): void {
    const path = this.#path(level, run);
    const note: FailureNote = {
      run,
      level: level.name,
      key: itemKey(level, path),
      status: 'failed',
      class: 'item',
      code: 'X',
      message: 'x',
      attempts: 1,
      replays: 0,
      refires: 0,
      at: '2026-11-20T00:00:00.000Z',
      requestId: '',
    };
    this.#put(failureKey(level, path), JSON.stringify(note));
  }
}
