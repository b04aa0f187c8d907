/** Where every item of every run stands, by what is in the bucket: the checker's book. It judges no promise. */
import type { Stored } from './bucket.ts';
import type { ChainPlan } from './chain-plan.ts';
import { BatchBook, type Batch } from './batch-book.ts';
import { isAlways, markerOf, type Node } from './model.ts';
import type { VirtualTime } from './virtual-time.ts';

export type NodeState = {
  /** Every content that the item has had. */
  eTags: Set<string>;
  /** Since when its receipt or result has been there, for the item as it is. */
  doneSinceMs: number | undefined;
  /** A person deleted it or something next to it: what was true of it is not any more. */
  isTouched: boolean;
};

export type RunState = {
  root: Node;
  /** Items in the bucket that are not done, or whose children are not all there. */
  open: Set<Node>;
  /** A person has changed something since the last sweep of the run that ended well began: its marker may be out of date. */
  isExcused: boolean;
  personActMs: number;
  /** When a person last dropped its seed, and when its success marker was last written, in milliseconds since 1970. */
  seedMs: number;
  markedMs: number;
};

/** Items of an object: of those that are not done, the fewest and the most that there can be; and all. */
export type ObjectItems = { least: number; most: number; all: number };

/** The ids that a seed asks for, by their name; a name that is absent: all. */
export type WantedIds = Readonly<Record<string, ReadonlySet<string>>>;

/** What is in the bucket of every run, kept up as it changes, so that nothing has to be counted again. */
export class Ledger {
  readonly batches: BatchBook;
  readonly #time: VirtualTime;
  readonly #plan: ChainPlan;
  readonly #states = new Map<Node, NodeState>();
  readonly #runs = new Map<string, RunState>();
  #wanted: WantedIds = {};
  #objects: ReadonlyMap<string, Stored> = new Map();

  constructor(time: VirtualTime, plan: ChainPlan, nodes: readonly Node[]) {
    this.#time = time;
    this.#plan = plan;
    this.batches = new BatchBook(plan, nodes);
    for (const node of nodes) {
      this.#states.set(node, { eTags: new Set(), doneSinceMs: undefined, isTouched: false });
      if (node.parent === undefined)
        this.#runs.set(node.run, {
          root: node,
          open: new Set(),
          isExcused: false,
          personActMs: -Infinity,
          seedMs: -Infinity,
          markedMs: -Infinity,
        });
    }
  }

  /** @param wanted what the runs' seeds ask for */
  watch(objects: ReadonlyMap<string, Stored>, wanted: WantedIds): void {
    this.#objects = objects;
    this.#wanted = wanted;
  }

  run(name: string): RunState | undefined {
    return this.#runs.get(name);
  }

  object(key: string): Stored | undefined {
    return this.#objects.get(key);
  }

  isComplete(run: string): boolean {
    return this.isWhole(run) && this.has(this.markerOf(run));
  }

  /** Everything of it is done, whether it is marked so or not. */
  isWhole(run: string): boolean {
    const state = this.#runs.get(run);
    return state !== undefined && this.isThere(state.root) && state.open.size === 0;
  }

  /** What is still open, for messages. */
  openOf(run: string): string {
    const open = [...(this.#runs.get(run)?.open ?? [])].map((node) => {
      const { itemKey } = node;
      const note = this.#objects.get(this.noteKeyOf(node))?.body;
      const done = this.#isStored(node) ? 'has its receipt or result' : 'not done';
      return `${itemKey} (${done}; ${note === undefined ? 'no note' : `note ${note.slice(0, 400)}`})`;
    });
    const marker = this.has(this.markerOf(run)) ? 'marker there' : 'no marker';
    return `${run}: ${marker}${open.length === 0 ? '' : `; open: ${open.slice(0, 3).join('; ')}${open.length > 3 ? `; and ${open.length - 3} more` : ''}`}`;
  }

  state(node: Node): NodeState {
    const state = this.#states.get(node);
    if (state === undefined) throw new Error(`The model does not know ${node.itemKey}.`);
    return state;
  }

  has(key: string): boolean {
    return this.#objects.has(key);
  }

  /** It is an object, or in one. */
  isThere(node: Node): boolean {
    return node.isInBatch ? this.batches.batchesWith(node).length > 0 : this.has(node.itemKey);
  }

  /** The object that is, or holds, an item: what its events name. */
  objectKeyOf(node: Node): string {
    return node.isInBatch ? (this.batches.batchesWith(node)[0]?.key ?? node.itemKey) : node.itemKey;
  }

  /** How many objects there are that a node's children are, or are in. */
  childObjectsOf(node: Node): number {
    const isInBatches = node.api.depth === this.#plan.rows.length - 2 && this.#plan.batch > 1;
    if (isInBatches) return this.batches.batchesOf(node).length;
    return node.children.filter(({ itemKey }) => this.has(itemKey)).length;
  }

  /**
   * How many items an object holds, and how many of them are not done; between two numbers where a person has changed something.
   * @param isWithoutFailed those that the object's note names are not counted
   */
  itemsIn(key: string, isWithoutFailed = false): ObjectItems {
    if (this.batches.placeOf(key)?.is !== 'batch') return { least: 1, most: 1, all: 1 };
    const batch = this.batches.batches.get(key);
    if (batch?.isOwn !== true) {
      const all = Math.max(this.#plan.batch, batch?.elements?.length ?? 1);
      return { least: 0, most: all, all };
    }
    const failed = new Set(isWithoutFailed ? this.failedIdsIn(batch) : []);
    const leaves = batch.leaves.filter((leaf) => leaf === undefined || !failed.has(leaf.api.id));
    const isDone = (leaf: Node): boolean => this.state(leaf).doneSinceMs !== undefined;
    const isTouched = (leaf: Node): boolean => this.state(leaf).isTouched;
    const least = leaves.filter((leaf) => leaf !== undefined && !isDone(leaf) && !isTouched(leaf)).length;
    const most = leaves.filter((leaf) => leaf === undefined || !isDone(leaf) || isTouched(leaf)).length;
    return { least, most, all: batch.leaves.length };
  }

  /** The items that a batch's note names. */
  failedIdsIn({ key }: Batch): string[] {
    const { reads = '', level = '' } = this.#plan.rows.at(-1) ?? {};
    const body = this.object(`failures/${level}${key.slice(reads.length)}`)?.body ?? '{}';
    return ((JSON.parse(body) as { items?: { id: string }[] }).items ?? []).map(({ id }) => id);
  }

  noteKeyOf(node: Node): string {
    const { reads = '', level = '' } = this.#plan.rows[node.api.depth] ?? {};
    return `failures/${level}${this.objectKeyOf(node).slice(reads.length)}`;
  }

  isWanted({ api }: Node): boolean {
    const name = this.#plan.rows[api.depth - 1]?.id;
    const wanted = name === undefined ? undefined : this.#wanted[name];
    return wanted === undefined || wanted.has(api.id);
  }

  /** The seeds ask for some of its children only. */
  hasChoice({ api }: Node): boolean {
    const name = this.#plan.rows[api.depth]?.id;
    return name !== undefined && this.#wanted[name] !== undefined;
  }

  /** The children that must be there once the node is done. */
  mustHave(node: Node): Node[] {
    // A receipt counts: of a child that a person deleted and one that came later, it can't tell which is missing.
    if (this.state(node).isTouched && node.children.some(({ api }) => !isAlways(api))) return [];
    return node.children.filter((child) => isAlways(child.api) && this.isWanted(child));
  }

  /** Whether an item is done, and all that must be under it is there. */
  judge(node: Node): void {
    const { open } = this.runState(node.run);
    const state = this.state(node);
    const isDone = this.#isStored(node);
    if (!isDone) state.doneSinceMs = undefined;
    else state.doneSinceMs ??= this.#time.nowMs;
    if (!this.isThere(node) || (isDone && this.mustHave(node).every((child) => this.isThere(child)))) open.delete(node);
    else open.add(node);
  }

  /** What says that it is done is there. */
  #isStored(node: Node): boolean {
    // What a person writes does not say that it is a part, and counts for nothing.
    if (node.isInBatch) return this.batches.partsWith(node).some(({ isOwn }) => isOwn);
    const done = this.#objects.get(node.doneKey);
    const item = this.#objects.get(node.itemKey);
    return done !== undefined && (node.api.isLeaf || done.metadata['input-etag'] === item?.eTag);
  }

  runState(run: string): RunState {
    const state = this.#runs.get(run);
    if (state === undefined) throw new Error(`The model does not know the run ${run}.`);
    return state;
  }

  runOfMarker(key: string): string | undefined {
    return [...this.#runs.keys()].find((run) => key === this.markerOf(run));
  }

  markerOf(run: string): string {
    return markerOf(this.#plan, run);
  }
}
