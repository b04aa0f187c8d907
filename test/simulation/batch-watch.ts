/**
 * Holds the promises about batches against what the engine writes: each item is in one batch and each result in one part, as the API
 * gave them; what a part says of itself is what it holds; what a note says of its items is true; and what failed for good, or makes its
 * function crash, is left alone.
 */
import type { Batch, BatchBook, BatchPlace, Part } from './batch-book.ts';
import { elementBytes, readBitmap, withoutBreaks, type BatchElement } from './batch-reader.ts';
import type { Stored } from './bucket.ts';
import type { ChainPlan } from './chain-plan.ts';
import type { PromiseName } from './checker.ts';
import type { Ledger } from './ledger.ts';
import type { Life } from './life.ts';
import type { Node } from './model.ts';
import type { Settings } from './settings.ts';
import type { VirtualTime } from './virtual-time.ts';

/** An environment takes a run to be without failures for so long after it looked. */
const noteIsSeenMs = 60_000;
/**
 * Functions that one item makes crash, of one replay of it, before it is known which one does it. Invoked by S3, each of an event's
 * copies takes its three attempts: nothing tells the function that it had the batch before.
 */
const mostCrashes = 20;

/** As a note has it. */
type NotedItem = { id: string; class: string; code: string };
type Note = { key: string; status: string; items: readonly NotedItem[]; running: readonly number[]; replays: number };

/** What a batch's note says of an item that is not to be called again; another batch has a note of its own. */
type Refusal = { batchKey: string; code: string; sinceMs: number; replays: number };

export class BatchWatch {
  readonly #time: VirtualTime;
  readonly #plan: ChainPlan;
  readonly #settings: Pick<Settings, 'maxBatchBytes' | 'maxPartBytes'>;
  readonly #ledger: Ledger;
  readonly #book: BatchBook;
  readonly #break: (promise: PromiseName, what: string) => void;
  readonly #refused = new Map<Node, Refusal>();
  /** Who has written the latest note, by its batch. */
  readonly #noters = new Map<string, Life>();
  /** By the key of a batch. */
  readonly #writers = new Map<string, Life>();
  readonly #crashes = new Map<string, number>();

  constructor(options: {
    time: VirtualTime;
    plan: ChainPlan;
    settings: Pick<Settings, 'maxBatchBytes' | 'maxPartBytes'>;
    ledger: Ledger;
    onBroken: (promise: PromiseName, what: string) => void;
  }) {
    this.#time = options.time;
    this.#plan = options.plan;
    this.#settings = options.settings;
    this.#ledger = options.ledger;
    this.#book = options.ledger.batches;
    this.#break = options.onBroken;
  }

  /** An invocation has written a batch. */
  batchWritten({ key, place, stored, elements, leaves }: Batch, wasThere: boolean, by: Life): void {
    const { parent } = place;
    if (wasThere) this.#break('idempotence', `${key} was overwritten by ${by.name}, which starts its items again`);
    if (elements === undefined) {
      this.#break('completeness', `${key} is no batch: ${stored.body}`);
      return;
    }
    for (const [index, { ids, item }] of elements.entries()) {
      const leaf = leaves[index];
      if (leaf === undefined || !this.#ledger.isWanted(leaf) || leaf.api.sinceMs > this.#time.nowMs)
        this.#break('completeness', `${key} should not have the item ${JSON.stringify(ids)}`);
      else if (withoutBreaks(item) !== withoutBreaks(leaf.api.text))
        this.#break('completeness', `${key} holds ${item}, the API gave ${leaf.api.text}`);
    }
    for (const leaf of leaves) {
      const own = leaf === undefined ? [] : this.#book.batchesWith(leaf).filter(({ isOwn }) => isOwn);
      if (own.length > 1 || leaves.indexOf(leaf) !== leaves.lastIndexOf(leaf))
        this.#break(
          'idempotence',
          `${leaf?.itemKey} is in two batches: ${own.map((each) => each.key).join(', ')} (${by.name})`,
        );
    }
    const bytes = elements.reduce((sum, { item }) => sum + Buffer.byteLength(item), 0);
    if (elements.length > this.#plan.batch || (elements.length > 1 && bytes > this.#settings.maxBatchBytes))
      this.#break('completeness', `${key} has ${elements.length} items of ${bytes} bytes, more than a batch may have`);
    this.#writers.set(key, by);
    this.#mustBeFull(place, elements, by);
    const { items, run, 'parent-key': from } = stored.metadata;
    if (items !== String(elements.length))
      this.#break('truth', `${key} has ${elements.length} items and says ${items}`);
    if (run !== parent.run || from !== parent.itemKey)
      this.#break('completeness', `${key} has the lineage ${run} ${from}`);
    this.#mustFollow(
      place.number,
      this.#book.batchesOf(parent).map((each) => each.place.number),
      key,
      parent,
    );
  }

  /** A batch that has another one after it, by the same invocation, had no room for the first item of that. */
  #mustBeFull({ parent, number }: BatchPlace, elements: readonly BatchElement[], by: Life): void {
    const before = this.#book.batchesOf(parent).filter(({ place }) => place.number < number);
    const last = before.find(({ place }) => place.number === number - 1);
    const [next] = elements;
    const areBy = before.length === number && before.every(({ key }) => this.#writers.get(key) === by);
    const isEarlier = before.some(({ stored }) => 'results-of' in stored.metadata);
    if (last?.elements === undefined || next === undefined || !areBy || isEarlier || this.#isTouched(parent)) return;
    const { maxBatchBytes } = this.#settings;
    const bytes = last.elements.reduce((sum, element) => sum + elementBytes(element), 0);
    const isFull =
      last.elements.length >= this.#plan.batch || bytes >= maxBatchBytes || bytes + elementBytes(next) > maxBatchBytes;
    if (!isFull)
      this.#break(
        'economy',
        `${last.key} has ${last.elements.length} items of ${bytes} bytes, and ${by.name} begins another`,
      );
  }

  /** An invocation has written a result part. */
  partWritten(part: Part, wasThere: boolean, by: Life): void {
    const { key, place, stored, lines, leaves } = part;
    if (wasThere) this.#break('idempotence', `${key} was overwritten by ${by.name}`);
    if (typeof lines === 'string') {
      this.#break('completeness', `${key} can't be read: ${lines}`);
      return;
    }
    if (lines.length === 0 && !/[1-9a-f]/.test(stored.metadata['has'] ?? ''))
      this.#break('economy', `${key} holds nothing, and tells of nothing (${by.name})`);
    for (const [index, { ids, data, fetchedAt }] of lines.entries()) {
      const leaf = leaves[index];
      if (leaf === undefined) this.#break('completeness', `${key} has a line for ${JSON.stringify(ids)}`);
      else if (data !== withoutBreaks(leaf.api.data))
        this.#break('completeness', `${key} holds ${data}, the API gave ${leaf.api.data}`);
      const atMs = Date.parse(fetchedAt);
      if (!(atMs >= by.startedMs && atMs <= this.#time.nowMs))
        this.#break('truth', `${key} has a line that says ${fetchedAt}, which is no time of ${by.name}`);
    }
    for (const leaf of leaves) {
      const own = leaf === undefined ? [] : this.#book.partsWith(leaf).filter(({ isOwn }) => isOwn);
      const isOnce = own.length < 2 || (leaf !== undefined && this.mayBeUnknown(leaf, by));
      if (!isOnce || leaves.indexOf(leaf) !== leaves.lastIndexOf(leaf))
        this.#break(
          'idempotence',
          `the result of ${leaf?.itemKey} is there twice: ${own.map((each) => each.key).join(', ')} (${by.name})`,
        );
    }
    const longest = Math.max(0, ...lines.map(({ data }) => Buffer.byteLength(data) + 1_000));
    if (Buffer.byteLength(stored.body) > this.#settings.maxPartBytes + this.#plan.callsInFlight * longest)
      this.#break('completeness', `${key} has ${Buffer.byteLength(stored.body)} bytes, more than a part may have`);
    const { run, 'parent-key': from } = stored.metadata;
    if (run !== place.parent.run || from !== place.batchKey)
      this.#break('completeness', `${key} has the lineage ${run} ${from}`);
    const numbers = this.#book.partsOf(place.batchKey).map((each) => each.place.part);
    this.#mustFollow(place.part, numbers, key, place.parent);
    this.#mustTellWhatItHas(part);
  }

  /** What a part says in its metadata is what it, or an earlier part of the same batch, holds. */
  #mustTellWhatItHas({ key, place, stored, leaves }: Part): void {
    const batch = this.#book.batches.get(place.batchKey);
    const { items, has = '', 'batch-etag': eTag } = stored.metadata;
    // A person has deleted or overwritten the batch meanwhile.
    if (batch?.elements === undefined || (eTag !== batch.stored.eTag && this.#isTouched(place.parent))) return;
    if (eTag !== batch.stored.eTag) {
      this.#break('truth', `${key} is for a batch that never was (${eTag})`);
      return;
    }
    const count = batch.elements.length;
    const told = readBitmap(has, count);
    const mine = new Set(leaves);
    const wrong = batch.leaves.filter((leaf, index) => {
      const isThere = leaf !== undefined && this.#book.partsWith(leaf).length > 0;
      return told?.has(index) === true ? !isThere : mine.has(leaf);
    });
    if (
      items !== String(count) ||
      told === undefined ||
      wrong.length > 0 ||
      leaves.some((leaf) => !batch.leaves.includes(leaf))
    )
      this.#break(
        'truth',
        `${key} says that it has ${has} of ${items}, and holds ${leaves.map((leaf) => batch.leaves.indexOf(leaf)).join(', ')} of ${count}`,
      );
  }

  /** Somebody has written a batch's note; undefined: a person. */
  noteWritten(batchKey: string, before: Stored | undefined, stored: Stored | undefined, by: Life | undefined): void {
    const batch = this.#book.batches.get(batchKey);
    for (const leaf of batch?.leaves ?? []) if (leaf !== undefined) this.#refused.delete(leaf);
    this.#noters.delete(batchKey);
    if (by === undefined || stored === undefined) return;
    this.#noters.set(batchKey, by);
    const note = noteIn(stored);
    if (note?.key !== batchKey || !['failed', 'refired', 'parked', 'isolating'].includes(note.status)) {
      this.#break('conservation', `the note of ${batchKey} does not say what failed: ${stored.body}`);
      return;
    }
    if (batch?.elements === undefined || this.#isTouched(batch.place.parent)) return;
    // What a sweep passes on may have been stored just before its function was stopped.
    const running = note.status === 'isolating' ? note.running.map((index) => batch.leaves[index]) : [];
    // An attempt that failed before it came to the items passes on what the note said of them.
    const earlier = JSON.stringify((before && noteIn(before)?.items) ?? []);
    const named = JSON.stringify(note.items) === earlier ? [] : note.items;
    for (const leaf of [...running, ...named.map(({ id }) => batch.leaves.find((each) => each?.api.id === id))]) {
      const sinceMs = leaf && this.#ledger.state(leaf).doneSinceMs;
      if (leaf === undefined || (sinceMs !== undefined && sinceMs < by.startedMs))
        this.#break('truth', `the note of ${batchKey} names what is not there or done: ${stored.body} (${by.name})`);
    }
    for (const { id, class: its, code } of note.items) {
      const leaf = batch.leaves.find((each) => each?.api.id === id);
      if (leaf !== undefined && its === 'item')
        this.#refused.set(leaf, { batchKey, code, sinceMs: this.#time.nowMs, replays: note.replays });
    }
  }

  /** An invocation has sent a batch to the dead letters: its note must say which of its items are not done. */
  deadLetterSent(batchKey: string, by: Life): void {
    const batch = this.#book.batches.get(batchKey);
    if (batch?.elements === undefined || !this.#isLastNoteOf(batchKey, by)) return;
    const note = this.#ledger.object(noteKey(batch, this.#plan));
    const named = new Set((note && noteIn(note)?.items)?.map(({ id }) => id));
    const left = batch.leaves.filter((leaf) => leaf !== undefined && !this.isDone(leaf));
    const unnamed = left.find((leaf) => leaf !== undefined && !named.has(leaf.api.id));
    if (unnamed !== undefined)
      this.#break(
        'conservation',
        `${batchKey} is dead, and its note does not name ${unnamed.itemKey}: ${note?.body} (${by.name})`,
      );
  }

  /** An invocation has sent a batch to wait: nothing of it is under way any more, and its own note says so. */
  sentToWait(batchKey: string, by: Life): void {
    const batch = this.#book.batches.get(batchKey);
    if (batch === undefined || !this.#isLastNoteOf(batchKey, by)) return;
    const note = this.#ledger.object(noteKey(batch, this.#plan));
    if (note !== undefined && (noteIn(note)?.running.length ?? 0) > 0)
      this.#break('truth', `${batchKey} waits, and its note says what is under way: ${note.body} (${by.name})`);
  }

  /** Another invocation or a person may have written the note meanwhile, and so may another copy of the event in the same one. */
  #isLastNoteOf(batchKey: string, by: Life): boolean {
    return this.#noters.get(batchKey) === by && by.events.filter(({ key }) => key === batchKey).length < 2;
  }

  /** The API is asked for an item of a batch. */
  called(leaf: Node, life: Life): void {
    const refusal = this.#refused.get(leaf);
    if (refusal === undefined || life.startedMs - refusal.sinceMs <= noteIsSeenMs) return;
    const event = life.events.find(({ key }) => key === refusal.batchKey);
    // An event that is the first one of its batch, for all that its function can tell, spares the look at the note.
    if (event?.isRepeated === true && event.replays <= refusal.replays)
      this.#break(
        'idempotence',
        `${leaf.itemKey} has failed for good (${refusal.code}), and ${life.name} asks for it again`,
      );
  }

  /**
   * A person has deleted the first part of a batch, and of the later ones the engine learns when the batch comes to its function
   * again. For a first event, as when S3 tells of it twice, it asks for the first part only: a listing each time would cost more
   * than all its other reads.
   */
  mayBeUnknown(leaf: Node, life: Life): boolean {
    const keys = new Set(this.#book.batchesWith(leaf).map(({ key }) => key));
    const isRepeated = life.events.some(({ key, isRepeated: itself }) => keys.has(key) && itself);
    return !isRepeated && this.#ledger.state(leaf).isTouched;
  }

  /** A person has deleted the first part of a batch that has later ones. */
  hasLostFirstPart(batchKey: string): boolean {
    const parts = this.#book.partsOf(batchKey);
    return parts.length > 0 && parts.every(({ place }) => place.part > 0);
  }

  /** An item has made its function crash. */
  crashed(leaf: Node, life: Life): void {
    const [batch] = this.#book.batchesWith(leaf);
    const replays = life.events.find(({ key }) => key === batch?.key)?.replays ?? 0;
    const name = `${leaf.itemKey} ${replays}`;
    const crashes = (this.#crashes.get(name) ?? 0) + 1;
    this.#crashes.set(name, crashes);
    if (crashes > mostCrashes)
      this.#break('termination', `${leaf.itemKey} has made its function crash ${crashes} times, and is not left alone`);
  }

  /** What an item was failed for; undefined: its batch's note does not name it. */
  refusalOf(leaf: Node): string | undefined {
    return this.#refused.get(leaf)?.code;
  }

  /** A part that the engine has written holds its result. */
  isStored(leaf: Node): boolean {
    return this.#book.partsWith(leaf).some(({ isOwn }) => isOwn);
  }

  isDone(leaf: Node): boolean {
    const { doneSinceMs, isTouched } = this.#ledger.state(leaf);
    return doneSinceMs !== undefined || isTouched;
  }

  #mustFollow(number: number, taken: readonly number[], key: string, parent: Node): void {
    for (let before = 0; before < number; before += 1)
      if (!taken.includes(before) && !this.#isTouched(parent))
        this.#break('completeness', `${key} is there, and number ${before} is not`);
  }

  /** A person has deleted or written something of a parent or of one of its items. */
  #isTouched(parent: Node): boolean {
    return [parent, ...parent.children].some((node) => this.#ledger.state(node).isTouched);
  }
}

function noteKey({ key }: Batch, { rows }: ChainPlan): string {
  const { reads = '', level = '' } = rows.at(-1) ?? {};
  return `failures/${level}${key.slice(reads.length)}`;
}

function noteIn({ body }: Stored): Note | undefined {
  try {
    return { items: [], running: [], replays: 0, ...(JSON.parse(body) as Partial<Note>) } as Note;
  } catch {
    return undefined;
  }
}
