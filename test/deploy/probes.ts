/**
 * What each function of the service does with its rights, on an engine where nothing but the probe happens: S3 tells nobody,
 * and what is given to Lambda's queue is lost. Each function has runs of its own, so that the answer about one says nothing of
 * another. An answer holds what does not change from one time to the next.
 */
import { makeS3Record, withReplays } from '../../shared/aws/s3-event.ts';
import { chain, type Level } from '../../shared/engine/chain/chain.ts';
import { doneKey, failureKey, itemKey } from '../../shared/engine/chain/keys.ts';
import type { Engine } from '../../local-aws/engine.ts';
import type { StoredObject } from '../../local-aws/s3/object-table.ts';

/** A complete run, as the chain left it: its objects by key. */
export type CompleteRun = { run: string; objects: ReadonlyMap<string, StoredObject & { body: Uint8Array }> };

/** By the function's name in serverless.yml: what it answered, and what was there afterwards. */
export type Answers = Record<string, unknown[]>;

export class Probe {
  readonly answers: Answers = {};
  readonly #engine: Engine;
  readonly #complete: CompleteRun;

  constructor(engine: Engine, complete: CompleteRun) {
    this.#engine = engine;
    this.#complete = complete;
  }

  /** The usual. @param names only these functions' */
  async run(names: ReadonlySet<string>): Promise<Answers> {
    this.#put('control/rate.json', '{}');
    const others = {
      rate: () => this.#rate(),
      replay: () => this.#replay(),
      sweep: () => this.#sweep(),
      status: () => this.#status(),
    };
    await Promise.all(Object.entries(others).flatMap(([name, probe]) => (names.has(name) ? [probe()] : [])));
    // Last, since what they leave on the dead-letter queues is not for this replay.
    await Promise.all(levelsOf(names).map((row) => this.#fetch(row)));
    return this.answers;
  }

  /** Items have to wait in a pause. */
  async runPaused(names: ReadonlySet<string>): Promise<Answers> {
    this.#put('control/rate.json', '{"paused":true}');
    await Promise.all(
      levelsOf(names).map(async (row) => {
        const item = this.#copyItem(row, `paused-${row.function}`);
        const answer = await this.#call(row.function, { Records: [this.#record(item)] });
        this.#note(row.function, { answer, waiting: this.#depth(row, 'waiting') });
      }),
    );
    return this.answers;
  }

  /**
   * What takes a second a function: the API asks to be left alone for one, and everybody is told.
   * @param refuse has the API refuse one call to a list or a result
   */
  async runFrozen(names: ReadonlySet<string>, refuse: (row: Level, ids: readonly string[]) => void): Promise<Answers> {
    for (const row of levelsOf(names)) {
      this.#engine.s3.delete(this.#engine.bucket, 'control/freeze.json');
      const item = this.#copyItem(row, `frozen-${row.function}`);
      refuse(row, this.#path(row, this.#complete.run).ids);
      const answer = await this.#call(row.function, { Records: [this.#record(item)] });
      this.#note(row.function, { answer, freeze: this.#keys('control/freeze.json') });
    }
    return this.answers;
  }

  /** A message that can't be read: SQS is told how long it is to stay away. Its handle is none, as the log then says. */
  async runMessages(names: ReadonlySet<string>): Promise<Answers> {
    const attributes = { ApproximateReceiveCount: '1' };
    const message = { messageId: '1', receiptHandle: 'none', body: '', attributes, eventSource: 'aws:sqs' };
    for (const row of levelsOf(names)) this.#note(row.function, await this.#call(row.function, { Records: [message] }));
    return this.answers;
  }

  /** An item that is new, done, and one that the API does not know. */
  async #fetch(row: Level): Promise<void> {
    const run = `run-${row.function}`;
    const item = this.#copyItem(row, run);
    const unknown =
      row.level === 'troops' ? `${row.reads}/bad-${run}.json` : item.replace(/[^/]+(?=\.json$)/, 'unknown');
    this.#put(unknown, '[]');
    // As if the run had been complete before.
    for (const key of [`finished/${run}/earlier.json`, `data/${run}/_SUCCESS`]) this.#put(key, '{}');
    for (const key of [item, item, unknown]) {
      const before = this.#depth(row, 'dead-letters');
      const answer = await this.#call(row.function, { Records: [this.#record(key)] });
      this.#note(row.function, { answer, deadLetters: this.#depth(row, 'dead-letters') - before });
    }
    const under = [
      `${row.writes}/${run}/`,
      `receipts/${row.level}/${run}`,
      `failures/${row.level}/`,
      `finished/${run}/`,
      `data/${run}/_`,
    ];
    this.#note(
      row.function,
      under.flatMap((prefix) => this.#keys(prefix)).filter((key) => key.includes(run)),
    );
  }

  async #rate(): Promise<void> {
    for (const row of chain)
      await this.#send(row, 'waiting', { Records: [this.#record(itemKey(row, this.#path(row, 'waited')))] });
    const answer = await this.#call('rate', {});
    this.#note('rate', { answer, kept: this.#keys('control/last-good') });
  }

  /** A letter of each kind for each level: to be replayed, done, replayed too often, and not understood. */
  async #replay(): Promise<void> {
    for (const row of chain) {
      const [fresh, tired] = [this.#copyItem(row, 'replay-fresh'), this.#copyItem(row, 'replay-tired')];
      const done = this.#copyItem(row, 'replay-done');
      this.#copy(doneKey(row, this.#path(row, this.#complete.run)), 'replay-done');
      const letters = [this.#record(fresh), this.#record(done), withReplays(this.#record(tired), 99)];
      for (const record of letters) await this.#send(row, 'dead-letters', { Records: [record] });
      await this.#send(row, 'dead-letters', 'not understood');
    }
    const answer = await this.#call('replay', {});
    const left = chain.map((row) => this.#depth(row, 'dead-letters'));
    this.#note('replay', { answer, left, notes: this.#keys('failures/').filter((key) => key.includes('/replay-')) });
    // From the notes that are in the bucket instead.
    for (const row of chain) {
      this.#copyItem(row, 'replay-noted');
      this.#noteFailure(row, 'replay-noted');
    }
    this.#note(
      'replay',
      await this.#call('replay', { from: 'failures', run: 'replay-noted', force: true, dryRun: true }),
    );
  }

  /** A run that is complete, and one of which every item was lost; each item of a third has failed. */
  async #sweep(): Promise<void> {
    this.#copyAll('sweep-whole');
    for (const row of chain) {
      this.#copyItem(row, 'sweep-lost');
      this.#copyItem(row, 'sweep-failed');
      this.#noteFailure(row, 'sweep-failed');
    }
    // As if they had been complete before.
    for (const key of ['finished/sweep-lost/earlier.json', 'data/sweep-lost/_SUCCESS']) this.#put(key, '{}');
    for (const run of ['sweep-whole', 'sweep-lost', 'sweep-failed']) {
      const answer = await this.#call('sweep', { run, olderThan: 0 });
      const keys = ['runs/', 'finished/', `data/${run}/_`, 'failures/'].flatMap((prefix) => this.#keys(prefix));
      this.#note('sweep', { answer, keys: keys.filter((key) => key.includes(run)) });
    }
  }

  async #status(): Promise<void> {
    this.#copyAll('status-whole');
    for (const row of chain) {
      this.#copyItem(row, 'status-failed');
      this.#noteFailure(row, 'status-failed');
    }
    for (const run of ['status-whole', 'status-failed'])
      this.#note('status', await this.#call('status', { run, fresh: true }));
  }

  #note(name: string, answer: unknown): void {
    (this.answers[name] ??= []).push(answer);
  }

  /** @returns what it answered without what changes each time; or the error, without its stack and request */
  async #call(name: string, event: object): Promise<unknown> {
    const { payload, functionError } = await this.#engine.lambda.invoke(
      `${this.#engine.model.stackName}-${name}`,
      JSON.stringify(event),
    );
    if (functionError === undefined) return JSON.parse(payload, constant) as unknown;
    const { errorMessage } = JSON.parse(payload) as { errorMessage: string };
    return { error: errorMessage.replaceAll(/[0-9a-f]{8}-[0-9a-f-]{27}/g, 'ID') };
  }

  #record(key: string): object {
    return makeS3Record(this.#engine.bucket, key, Date.now());
  }

  async #send(row: Level, kind: 'waiting' | 'dead-letters', body: object | string): Promise<void> {
    const text = typeof body === 'string' ? body : JSON.stringify(body);
    await this.#engine.sqs.sendMessage(this.#queue(row, kind).arn, text);
  }

  #depth(row: Level, kind: 'waiting' | 'dead-letters'): number {
    const { visible = 0, inFlight = 0 } = this.#engine.sqs.depths()[this.#queue(row, kind).name] ?? {};
    return visible + inFlight;
  }

  #queue(row: Level, kind: 'waiting' | 'dead-letters') {
    const end = `-${row.level.replaceAll('_', '-')}-${kind}`;
    const queue = this.#engine.queues.find(({ name }) => name === `${this.#engine.model.stackName}${end}`);
    if (queue === undefined) throw new Error(`The template has no queue …${end}.`);
    return queue;
  }

  #keys(prefix: string): string[] {
    return this.#engine.s3.list(this.#engine.bucket, { prefix }).contents.map(({ key }) => key);
  }

  #put(key: string, body: string): void {
    this.#engine.s3.put(this.#engine.bucket, key, Buffer.from(body));
  }

  /** The one item of a level in the complete run, as that of another. */
  #path(row: Level, run: string) {
    const prefix = `${row.reads}/${this.#complete.run}`;
    const key = [...this.#complete.objects.keys()].find((found) => found.startsWith(prefix));
    if (key === undefined) throw new Error(`The complete run has nothing under ${prefix}.`);
    return {
      run,
      ids: key
        .slice(prefix.length + 1, -'.json'.length)
        .split('/')
        .filter((id) => row.ids.length > 0 && id !== '')
        .map(decodeURIComponent),
    };
  }

  #copyItem(row: Level, run: string): string {
    return this.#copy(itemKey(row, this.#path(row, this.#complete.run)), run);
  }

  #copyAll(run: string): void {
    for (const key of this.#complete.objects.keys()) this.#copy(key, run);
  }

  #copy(key: string, run: string): string {
    const object = this.#complete.objects.get(key);
    if (object === undefined) throw new Error(`The complete run has no ${key}.`);
    const copied = key.replace(this.#complete.run, run);
    this.#engine.s3.put(this.#engine.bucket, copied, object.body, { headers: object.headers });
    return copied;
  }

  #noteFailure(row: Level, run: string): void {
    const path = this.#path(row, run);
    const note = {
      run,
      level: row.level,
      key: itemKey(row, path),
      status: 'failed',
      class: 'item',
      code: 'X',
      message: 'x',
    };
    const more = { attempts: 1, replays: 0, at: '2026-11-20T00:00:00.000Z', requestId: '' };
    this.#put(failureKey(row, path), JSON.stringify({ ...note, ...more }));
  }
}

function levelsOf(names: ReadonlySet<string>): Level[] {
  return chain.filter((row) => names.has(row.function));
}

const changing = new Set(['at', 'seconds', 'secondsLeft', 'itemsPerSecond', 'ageSeconds', 'remaining']);

function constant(name: string, value: unknown): unknown {
  return changing.has(name) ? undefined : value;
}
