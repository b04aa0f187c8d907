/** Where every item of every run stands, by what is in the bucket: the checker's book. It judges no promise. */
import type { Stored } from './bucket.ts';
import type { ChainPlan } from './chain-plan.ts';
import { markerOf, type KeyRole, type Node } from './model.ts';
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

/** The ids that a seed asks for, by their name; a name that is absent: all. */
export type WantedIds = Readonly<Record<string, ReadonlySet<string>>>;

/** What is in the bucket of every run, kept up as it changes, so that nothing has to be counted again. */
export class Ledger {
  readonly #time: VirtualTime;
  readonly #plan: ChainPlan;
  readonly #states = new Map<Node, NodeState>();
  readonly #runs = new Map<string, RunState>();
  #wanted: WantedIds = {};
  #objects: ReadonlyMap<string, Stored> = new Map();

  constructor(time: VirtualTime, plan: ChainPlan, roles: ReadonlyMap<string, KeyRole>) {
    this.#time = time;
    this.#plan = plan;
    for (const { node, is } of roles.values()) {
      if (is !== 'item') continue;
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
    return state !== undefined && this.has(state.root.itemKey) && state.open.size === 0;
  }

  /** What is still open, for messages. */
  openOf(run: string): string {
    const open = [...(this.#runs.get(run)?.open ?? [])].map(({ itemKey, doneKey, failureKey }) => {
      const note = this.#objects.get(failureKey)?.body;
      const done = this.has(doneKey) ? 'has its receipt or result' : 'not done';
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

  isWanted({ api }: Node): boolean {
    const name = this.#plan.rows[api.depth - 1]?.id;
    const wanted = name === undefined ? undefined : this.#wanted[name];
    return wanted === undefined || wanted.has(api.id);
  }

  /** The children that must be there once the node is done. */
  mustHave(node: Node): Node[] {
    // A receipt counts: of a child that a person deleted and one that came later, it can't tell which is missing.
    if (this.state(node).isTouched && node.children.some(({ api }) => api.sinceMs > 0)) return [];
    return node.children.filter((child) => child.api.sinceMs === 0 && this.isWanted(child));
  }

  /** Whether an item is done, and all that must be under it is there. */
  judge(node: Node): void {
    const { open } = this.runState(node.run);
    const state = this.state(node);
    const item = this.#objects.get(node.itemKey);
    const done = this.#objects.get(node.doneKey);
    const isDone = done !== undefined && (node.api.isLeaf || done.metadata['input-etag'] === item?.eTag);
    if (!isDone) state.doneSinceMs = undefined;
    else state.doneSinceMs ??= this.#time.nowMs;
    if (item === undefined || (isDone && this.mustHave(node).every(({ itemKey }) => this.has(itemKey))))
      open.delete(node);
    else open.add(node);
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
