/**
 * Holds the promises against what happens, at every change of the bucket and the queues and at every call. It knows the model,
 * the bucket, the queues and the API's log; of the engine it knows nothing.
 */
import type { Params } from '../../shared/engine/chain/params.ts';
import type { Actor, Stored } from './bucket.ts';
import type { Call } from './api.ts';
import type { ChainPlan } from './chain-plan.ts';
import type { BatchPlace } from './batch-book.ts';
import { withoutBreaks } from './batch-reader.ts';
import { BatchWatch } from './batch-watch.ts';
import type { GivenEvent, Life } from './life.ts';
import { Ledger, type ObjectItems } from './ledger.ts';
import { MarkerWatch } from './marker-watch.ts';
import { eventTextIn, keysOfEvent, type ApiNode, type KeyRole, type Node } from './model.ts';
import { NoteWatch } from './note-watch.ts';
import { ParamsWatch } from './params-watch.ts';
import type { Message } from './queue.ts';
import { RequestWatch } from './request-watch.ts';
import { RunWatch } from './run-watch.ts';
import type { Settings } from './settings.ts';
import type { VirtualTime } from './virtual-time.ts';

export type PromiseName =
  'completeness' | 'conservation' | 'idempotence' | 'convergence' | 'termination' | 'rate' | 'truth' | 'economy';

/** The engine looks, then writes: a request to S3 or two, none of them slow. */
const raceMs = 100;

export type Violation = { promise: PromiseName; what: string; atMs: number };

export type CheckerOptions = {
  /** So old must an item be before a sweep takes it for lost. */
  lostAfterMs: number;
  time: VirtualTime;
  plan: ChainPlan;
  settings: Settings;
  /** What each key is for that the engine may write, but for those of batches. */
  roles: ReadonlyMap<string, KeyRole>;
  /** Of all runs. */
  nodes: readonly Node[];
  /** What the runs' seeds set. */
  given: Params;
};

export class Checker {
  violation: Violation | undefined;
  readonly ledger: Ledger;
  readonly batches: BatchWatch;
  readonly refiresBySweep = new Map<string, number>();
  readonly requests: RequestWatch;
  readonly runs: RunWatch;
  readonly #time: VirtualTime;
  readonly #plan: ChainPlan;
  readonly #lostAfterMs: number;
  readonly #params: ParamsWatch;
  readonly #markers: MarkerWatch;
  readonly #roles: ReadonlyMap<string, KeyRole>;
  readonly #nodes = new Map<ApiNode, Map<string, Node>>();
  readonly #notes: NoteWatch;
  readonly #acceptedAtMs = new Map<string, number>();
  /** Which invocations have written a failure note, by the key of what failed. */
  readonly #noted = new Map<string, WeakSet<Life>>();

  constructor({ time, plan, settings, roles, nodes, given, lostAfterMs }: CheckerOptions) {
    this.#lostAfterMs = lostAfterMs;
    this.runs = new RunWatch(time);
    this.#time = time;
    this.#plan = plan;
    this.#params = new ParamsWatch(plan, given);
    this.#roles = roles;
    this.ledger = new Ledger(time, plan, nodes);
    this.#markers = new MarkerWatch(time, this.ledger);
    this.batches = new BatchWatch({
      time,
      plan,
      settings,
      ledger: this.ledger,
      onBroken: (promise, what) => this.break(promise, what),
    });
    this.#notes = new NoteWatch(time);
    this.requests = new RequestWatch(plan.batch);
    for (const node of nodes) {
      const byRun = this.#nodes.get(node.api) ?? new Map<string, Node>();
      this.#nodes.set(node.api, byRun.set(node.run, node));
    }
  }

  break(promise: PromiseName, what: string): void {
    this.violation ??= { promise, what, atMs: this.#time.nowMs };
    this.#time.isStopped = true;
  }

  /** @param problem undefined: none */
  tell(promise: PromiseName, problem: string | undefined): void {
    if (problem !== undefined) this.break(promise, problem);
  }

  readonly onBucketChange = (key: string, before: Stored | undefined, after: Stored | undefined, by: Actor): void => {
    this.runs.changed(key, after?.body);
    const role = this.#roles.get(key);
    const place = role === undefined ? this.ledger.batches.placeOf(key) : undefined;
    this.tell('truth', this.#markers.changed(key, after !== undefined, by));
    const run = (role?.node ?? place?.parent)?.run ?? this.ledger.runOfMarker(key);
    if (by === 'person' && run !== undefined) this.#personActs(run);
    if (by !== 'person' && by.name.startsWith('status')) this.break('idempotence', `${by.name} wrote ${key}`);
    if (by !== 'person') this.tell('idempotence', this.requests.changes(key, by));
    if (place !== undefined) {
      this.#batchChanged(key, place, before, after, by);
      return;
    }
    if (role === undefined) {
      this.#checkUnknown(key, before, after, by);
      return;
    }
    const { node, is } = role;
    if (is === 'item') this.#itemChanged(node, before, after, by);
    if (is === 'done') this.#doneChanged(node, before, after, by);
    if (is === 'failure' && after !== undefined && by !== 'person') this.#noteChanged(node.itemKey, before, after, by);
    if (is !== 'failure') {
      this.ledger.judge(node);
      if (node.parent !== undefined) this.ledger.judge(node.parent);
    }
    this.#checkMarker(node.run);
  };

  /** An event's invocation ended well: nobody will ever bring the event again. */
  readonly onConsumed = (payload: string, life: Life): void => {
    for (const { key } of keysOfEvent(payload)) {
      if (this.#isObjectSettled(key, life) || life.sentFor.has(key) || this.runs.mayEnd(key, life)) continue;
      this.break(
        'conservation',
        `the event of ${key} was taken, but the item is neither done nor handed on (${life.name})`,
      );
    }
  };

  readonly onRefire = (level: string, payload: string, life: Life): void => {
    for (const { key, again, replays } of keysOfEvent(payload)) {
      this.#acceptedAtMs.set(key, this.#time.nowMs);
      const place = this.ledger.batches.placeOf(key);
      const run = (this.#itemNamed(key) ?? place?.parent)?.run;
      const isByAge = !again && this.requests.isOfUsualAge(life);
      const lostAfterMs = isByAge ? this.#lostAfterMs : undefined;
      if (run !== undefined) this.tell('termination', this.runs.refires(key, { life, lostAfterMs }));
      const items = this.#itemsGiven(key, life);
      this.tell('idempotence', this.requests.refires({ key, level, run, items }, life, this.#time.nowMs));
      if (!life.name.startsWith('sweep')) continue;
      this.refiresBySweep.set(key, (this.refiresBySweep.get(key) ?? 0) + 1);
      const isKnown = this.#itemNamed(key) !== undefined || place?.is === 'batch';
      // A sweep that crashed between the two, each time, would re-fire the item without end.
      if (isKnown && this.#noted.get(key)?.has(life) !== true)
        this.break('termination', `${life.name} re-fires ${key} and has not noted it before`);
      // Another invocation may have written the note meanwhile.
      const note = this.ledger.object(this.#noteKeyOf(key))?.body ?? '';
      if (isKnown && note.includes('"status":"refired"') && !note.includes(`"replays":${replays},`))
        this.break('conservation', `${life.name} re-fires ${key} with ${replays} replays, and its note is ${note}`);
    }
  };

  /** A letter was deleted: its items must be done, parked, or given to their function by what deleted it. */
  readonly onRemove = (message: Message, by: Life): void => {
    this.tell('idempotence', this.requests.changes(`a queue: ${message.id}`, by));
    if (message.mustStay)
      this.break('conservation', `${by.name} deleted a message that is none of its own: ${message.body.slice(0, 200)}`);
    for (const { key } of keysOfEvent(eventTextIn(message.body))) {
      if (this.#isObjectSettled(key, by) || (this.#acceptedAtMs.get(key) ?? -1) >= by.startedMs) continue;
      // Of a cancelled run nothing waits any more; its dead letters stay.
      if (by.name.startsWith('rate') && this.runs.mayEnd(key, by)) continue;
      const note = this.ledger.object(this.#noteKeyOf(key))?.body ?? '';
      if (!note.includes('"status":"parked"'))
        this.break('conservation', `the letter of ${key} was deleted, but nobody works on the item (${by.name})`);
    }
  };

  readonly onCall = ({ node: api, run, params, body, life }: Call): void => {
    this.tell('completeness', this.#params.call(run, params));
    this.tell('rate', this.runs.call(run));
    if (body !== undefined && !api.isRoot && withoutBreaks(body) !== withoutBreaks(api.text))
      this.break('completeness', `${life.name} asks with the item ${body}, the API gave ${api.text}`);
    const node = this.#nodes.get(api)?.get(run);
    if (node === undefined) return;
    if (api.isRoot) this.tell('truth', this.#markers.expanding(node));
    if (node.isInBatch) this.batches.called(node, life);
    const { doneSinceMs } = this.ledger.state(node);
    const isAgain = node.isInBatch ? this.batches.mayBeUnknown(node, life) : life.isAgain;
    if (doneSinceMs !== undefined && life.startedMs > doneSinceMs && !isAgain)
      this.break('idempotence', `${node.itemKey} was done before ${life.name} began, which asked the API for it again`);
  };

  /** The item that a call asks for. */
  nodeOf({ node, run }: Call): Node | undefined {
    return this.#nodes.get(node)?.get(run);
  }

  /** What the API answered has made the function crash. */
  readonly onCrash = ({ node: api, run, life }: Call): void => {
    const node = this.#nodes.get(api)?.get(run);
    if (node?.isInBatch === true) this.batches.crashed(node, life);
  };

  /** An invocation has sent an item to the dead letters. */
  readonly onDeadLetter = (key: string, by: Life, body: string): void => {
    const isBatch = this.ledger.batches.placeOf(key)?.is === 'batch';
    const isItem = this.#itemNamed(key) !== undefined;
    const note = this.ledger.object(this.#noteKeyOf(key))?.body ?? '';
    if (isItem || isBatch) this.tell('conservation', this.runs.says(key, note, by));
    if (isBatch) this.batches.deadLetterSent(key, by);
    // A person who moves the letter of a batch back by hand wants all of it called again. A key of another level is not looked at.
    const isOwn = !body.includes('"code":"BAD_KEY"');
    if (isOwn && (isBatch || isItem) && isBatch !== eventTextIn(body).includes('"dead":true'))
      this.break('truth', `the letter of ${key} that ${by.name} sends is ${body}`);
  };

  /** What the invocation that makes a call was given, of the item that it asks for: of several copies, each may have made it. */
  eventsOf({ node: api, run, life }: Call): GivenEvent[] {
    const node = this.#nodes.get(api)?.get(run);
    if (node === undefined) return [];
    const keys = node.isInBatch ? this.ledger.batches.batchesWith(node).map(({ key }) => key) : [node.itemKey];
    return life.events.filter(({ key }) => keys.includes(key));
  }

  readonly onWorkBehindAnswer = (what: string): void => {
    this.break('idempotence', `an invocation went on working behind its answer: ${what}`);
  };

  /** A sweep of a run ended well: its marker tells the truth from now on. */
  onSwept(run: string, startedMs: number): void {
    const state = this.ledger.run(run);
    if (state === undefined || startedMs <= state.personActMs) return;
    state.isExcused = false;
    this.#checkMarker(run);
  }

  /** Somebody was told how a run stands. What is done stays done, so that a census that says complete is true still. */
  onStatus({ run, complete, from }: { run: string; complete: boolean; from: string }, startedMs: number): void {
    const state = this.ledger.run(run);
    if (!complete || state === undefined || state.personActMs >= startedMs) return;
    // A report is as old as its sweep: what a person did since then it does not know.
    if (from === 'report' && state.isExcused) return;
    const lie = [...state.open].find(({ isLate }) => !isLate);
    if (lie !== undefined) this.break('truth', `status says that ${run} is complete, but ${lie.itemKey} is not done`);
  }

  /** What failed for good is not the sweep's to bring on, but for what comes back with a cancelled run. */
  #itemsGiven(key: string, life: Life): ObjectItems {
    if (!life.name.startsWith('sweep')) return this.ledger.itemsIn(key);
    const items = this.ledger.itemsIn(key, true);
    return this.runs.wasCancelled(key) ? { ...items, most: this.ledger.itemsIn(key).most } : items;
  }

  #itemNamed(key: string): Node | undefined {
    const role = this.#roles.get(key);
    return role?.is === 'item' ? role.node : undefined;
  }

  /** An item's object, or that of several: all that is in it is done, deleted, or a person's doing. */
  #isObjectSettled(key: string, by: Life): boolean {
    const node = this.#itemNamed(key);
    if (node !== undefined) return this.#isSettled(node, by);
    const batch = this.ledger.batches.batches.get(key);
    return batch?.isOwn !== true || batch.leaves.every((leaf) => leaf === undefined || this.#isSettled(leaf, by));
  }

  #noteKeyOf(key: string): string {
    const row = this.#plan.rows.find(({ reads }) => key.startsWith(`${reads}/`));
    return `failures/${row?.level}${key.slice(row?.reads.length)}`;
  }

  /** Done, deleted, or a person's doing. */
  #isSettled(node: Node, by: Life): boolean {
    const { isTouched, doneSinceMs, eTags } = this.ledger.state(node);
    if (!this.ledger.isThere(node) || isTouched || doneSinceMs !== undefined) return true;
    // A seed that was dropped again meanwhile has an event of its own.
    const isNew = this.ledger.runState(node.run).personActMs >= by.startedMs;
    if (isNew && node.parent === undefined) return true;
    return isNew && eTags.has(this.ledger.object(node.doneKey)?.metadata['input-etag'] ?? '');
  }

  #itemChanged(node: Node, before: Stored | undefined, after: Stored | undefined, by: Actor): void {
    const key = node.itemKey;
    if (after !== undefined) this.ledger.state(node).eTags.add(after.eTag);
    if (by === 'person') {
      if (node.parent === undefined) this.ledger.runState(node.run).seedMs = this.#time.nowMs;
      if (after === undefined)
        for (const near of [node, node.parent]) if (near !== undefined) this.ledger.state(near).isTouched = true;
      return;
    }
    if (after === undefined) {
      this.break('conservation', `${key} was deleted by ${by.name}`);
      return;
    }
    if (before !== undefined) {
      this.break('idempotence', `${key} was overwritten by ${by.name}, which starts its subtree again`);
      return;
    }
    const { parent, api, run } = node;
    if (after.body !== api.text) this.break('completeness', `${key} holds ${after.body}, the API gave ${api.text}`);
    const { run: its, 'parent-key': from } = after.metadata;
    if (its !== run || from !== parent?.itemKey) this.break('completeness', `${key} has the lineage ${its} ${from}`);
    if (!this.ledger.isWanted(node) || api.sinceMs > this.#time.nowMs)
      this.break('completeness', `${key} should not be there`);
  }

  #doneChanged(node: Node, before: Stored | undefined, after: Stored | undefined, by: Actor): void {
    const state = this.ledger.state(node);
    if (by === 'person') {
      state.isTouched = true;
      return;
    }
    if (after === undefined) {
      this.break('conservation', `${node.doneKey} was deleted by ${by.name}`);
      return;
    }
    if (node.api.isLeaf) {
      if (before !== undefined) this.break('idempotence', `${node.doneKey} was overwritten by ${by.name}`);
      if (after.body !== node.api.data)
        this.break('completeness', `${node.doneKey} holds ${after.body}, the API gave ${node.api.data}`);
      return;
    }
    const { children, 'input-etag': inputETag } = after.metadata;
    const eTag = this.ledger.object(node.itemKey)?.eTag;
    // A seed that is dropped again between the last look at it and the write is no older one to the invocation.
    const isRace = node.parent === undefined && this.#time.nowMs - this.ledger.runState(node.run).seedMs < raceMs;
    const isOlder = before !== undefined && before.metadata['input-etag'] === eTag && inputETag !== eTag;
    if (isOlder && !by.wasDelayed && !isRace)
      this.break(
        'idempotence',
        `${by.name} overwrites ${node.doneKey}, which was for the item as it is, with an older one`,
      );
    const there = this.ledger.childObjectsOf(node);
    const missing = this.ledger.mustHave(node).filter((child) => !this.ledger.isThere(child));
    if (!state.eTags.has(inputETag ?? ''))
      this.break('truth', `${node.doneKey} is for an item that never was (${inputETag})`);
    if (!state.isTouched && (missing.length > 0 || Number(children) > there))
      this.break(
        'completeness',
        `${node.doneKey} counts ${children} children, ${there} are there, ${missing.length} are missing`,
      );
  }

  #batchChanged(
    key: string,
    place: BatchPlace,
    before: Stored | undefined,
    after: Stored | undefined,
    by: Actor,
  ): void {
    if (place.is === 'note') {
      if (by !== 'person' && after !== undefined) this.#noteChanged(place.batchKey, before, after, by);
      this.batches.noteWritten(place.batchKey, before, after, by === 'person' ? undefined : by);
      return;
    }
    const { batches: book } = this.ledger;
    const changed = book.take(key, place, after, by !== 'person');
    const [batch, part] = [book.batches.get(key), book.parts.get(key)];
    if (by === 'person') {
      for (const leaf of changed) this.ledger.state(leaf).isTouched = true;
      for (const leaf of book.batches.get(place.batchKey)?.leaves ?? [])
        if (leaf !== undefined) this.ledger.state(leaf).isTouched = true;
      if (place.is === 'batch') this.ledger.state(place.parent).isTouched = true;
    } else if (after === undefined) this.break('conservation', `${key} was deleted by ${by.name}`);
    else if (batch !== undefined) this.batches.batchWritten(batch, before !== undefined, by);
    else if (part !== undefined) this.batches.partWritten(part, before !== undefined, by);
    for (const node of [...changed, place.parent]) this.ledger.judge(node);
    this.#checkMarker(place.parent.run);
  }

  #setNoted(key: string, by: Life): void {
    this.#noted.set(key, (this.#noted.get(key) ?? new WeakSet()).add(by));
  }

  /** @param key of the object that failed */
  #noteChanged(key: string, before: Stored | undefined, { body }: Stored, by: Life): void {
    this.#setNoted(key, by);
    this.tell('conservation', this.runs.says(key, body, by));
    const problem = this.#notes.problem({ key, before: before?.body, body, by });
    this.tell('conservation', problem === undefined ? undefined : `the note of ${key} ${problem}: ${body}`);
  }

  #checkUnknown(key: string, before: Stored | undefined, after: Stored | undefined, by: Actor): void {
    if (by === 'person' || after === undefined) {
      const run = this.ledger.runOfMarker(key);
      if (run !== undefined) this.#checkMarker(run);
      return;
    }
    if (/^(runs|finished|control)\//.test(key) || /^failures\/[a-z0-9_]+\/_stray\//.test(key)) return;
    if (key.startsWith('params/')) {
      if (before !== undefined) this.break('idempotence', `${key} was overwritten by ${by.name}`);
      return;
    }
    // A person has put an item there that the API does not have.
    if (/^failures\/.*\/forged\.json$/.test(key)) return;
    // An event came for an item that never was.
    const { level, key: stray } = strayItem(this.#plan);
    if (key === `failures/${level}/${stray.slice(stray.indexOf('/') + 1)}`) return;
    const run = this.ledger.runOfMarker(key);
    const state = run === undefined ? undefined : this.ledger.run(run);
    if (state === undefined || run === undefined) {
      this.break('completeness', `${key} is nothing that the API serves (${by.name})`);
      return;
    }
    state.isExcused = state.personActMs >= by.startedMs;
    this.tell('truth', this.#markers.marking(run, by));
    this.#checkMarker(run);
  }

  #personActs(run: string): void {
    const state = this.ledger.run(run);
    if (state === undefined) return;
    state.personActMs = this.#time.nowMs;
    state.isExcused = true;
  }

  #checkMarker(run: string): void {
    const { open, isExcused, root } = this.ledger.runState(run);
    if (isExcused || !this.ledger.has(this.ledger.markerOf(run))) return;
    // What came into the API in the middle of the run is not the marker's to promise.
    const lie = this.ledger.has(root.itemKey) ? [...open].find(({ isLate }) => !isLate) : root;
    const forged = [...this.ledger.batches.parts.values()].find(
      ({ isOwn, place }) => !isOwn && place.parent.run === run,
    );
    if (forged !== undefined)
      this.break('truth', `${this.ledger.markerOf(run)} is there, but a person has written ${forged.key}`);
    if (lie !== undefined) this.break('truth', `${this.ledger.markerOf(run)} is there, but ${lie.itemKey} is not done`);
  }
}

/** An item that an event names, and that never was: of the second level, where there is one. */
export function strayItem({ rows, batch }: ChainPlan): { level: string; key: string } {
  const [first, second] = rows;
  if (second === undefined) return { level: first?.level ?? '', key: 'seeds/never-there.json' };
  const isBatch = rows.length === 2 && batch > 1;
  return { level: second.level, key: `${second.reads}/2026-11-20/${isBatch ? '99998' : 'never%20there'}.json` };
}
