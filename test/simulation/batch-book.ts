/** Which items the batches in the bucket hold, and which results their parts, as a reader of the bucket sees it. It judges no promise. */
import { readBatch, readPart, type BatchElement, type ResultLine } from './batch-reader.ts';
import type { Stored } from './bucket.ts';
import type { ChainPlan, Row } from './chain-plan.ts';
import { trailOf, type Node } from './model.ts';

/** Where a key of the last level belongs. */
export type BatchPlace = {
  is: 'batch' | 'part' | 'note';
  parent: Node;
  number: number;
  part: number;
  batchKey: string;
};

export type Batch = {
  key: string;
  place: BatchPlace;
  stored: Stored;
  /** undefined: it is no batch. */
  elements: readonly BatchElement[] | undefined;
  /** Of its elements, in their order; undefined for one that the API does not have. */
  leaves: readonly (Node | undefined)[];
  /** The engine wrote it, and no person. */
  isOwn: boolean;
};

export type Part = {
  key: string;
  place: BatchPlace;
  stored: Stored;
  /** Or what is wrong with it. */
  lines: readonly ResultLine[] | string;
  /** Of its lines, in their order. */
  leaves: readonly (Node | undefined)[];
  isOwn: boolean;
};

export class BatchBook {
  readonly batches = new Map<string, Batch>();
  readonly parts = new Map<string, Part>();
  readonly #last: Row | undefined;
  readonly #idNames: readonly string[];
  /** Parents of items in batches, by how their keys go on behind the prefix. */
  readonly #parents = new Map<string, Node>();
  /** By their ids, the items of a parent. */
  readonly #leaves = new Map<Node, Map<string, Node>>();
  readonly #holders = new Map<Node, { batches: Set<string>; parts: Set<string> }>();

  constructor({ rows, batch }: ChainPlan, nodes: Iterable<Node>) {
    this.#last = rows.at(-1);
    this.#idNames = rows.flatMap(({ id }) => id ?? []);
    for (const node of nodes) {
      if (batch === 1 || node.api.depth !== rows.length - 2) continue;
      this.#parents.set(trailOf(node), node);
      this.#leaves.set(node, new Map(node.children.map((leaf) => [JSON.stringify(leaf.api.ids), leaf])));
      for (const leaf of node.children) this.#holders.set(leaf, { batches: new Set(), parts: new Set() });
    }
  }

  /** @returns undefined for a key that is no batch's, part's or batch's note's */
  placeOf(key: string): BatchPlace | undefined {
    if (this.#parents.size === 0 || this.#last === undefined) return undefined;
    const { reads, writes, level } = this.#last;
    for (const [is, prefix, end] of [
      ['batch', reads, /\/(\d{5})\.json$/],
      ['part', writes, /\/(\d{5})(?:\.([1-9]\d*))?\.ndjson$/],
      ['note', `failures/${level}`, /\/(\d{5})\.json$/],
    ] as const) {
      if (!key.startsWith(`${prefix}/`)) continue;
      const found = end.exec(key);
      const parent = found === null ? undefined : this.#parents.get(key.slice(prefix.length + 1, found.index));
      if (found === null || parent === undefined) continue;
      const [, number = '', part = '0'] = found;
      const batchKey = `${reads}/${trailOf(parent)}/${number}.json`;
      return { is, parent, number: Number(number), part: Number(part), batchKey };
    }
    return undefined;
  }

  /** @returns the items that are there, or done, otherwise than before */
  take(key: string, place: BatchPlace, stored: Stored | undefined, isOwn: boolean): Set<Node> {
    const kind = place.is === 'batch' ? 'batches' : 'parts';
    const changed = new Set((this[kind].get(key)?.leaves ?? []).filter((leaf) => leaf !== undefined));
    for (const leaf of changed) this.#holdersOf(leaf)[kind].delete(key);
    this[kind].delete(key);
    if (stored === undefined) return changed;
    const leaves =
      place.is === 'batch' ? this.#takeBatch(key, place, stored, isOwn) : this.#takePart(key, place, stored, isOwn);
    for (const leaf of leaves) {
      if (leaf === undefined) continue;
      changed.add(leaf);
      this.#holdersOf(leaf)[kind].add(key);
    }
    return changed;
  }

  /** The objects that hold an item; more than one only when a person has put it there. */
  batchesWith(leaf: Node): Batch[] {
    return [...this.#holdersOf(leaf).batches].flatMap((key) => this.batches.get(key) ?? []);
  }

  partsWith(leaf: Node): Part[] {
    return [...this.#holdersOf(leaf).parts].flatMap((key) => this.parts.get(key) ?? []);
  }

  batchesOf(parent: Node): Batch[] {
    return [...this.batches.values()].filter(({ place }) => place.parent === parent);
  }

  /** The engine's own, and its own parts hold all of its results, each once: no person has changed anything about it. */
  isWhole({ isOwn, key, stored, leaves }: Batch): boolean {
    const parts = this.partsOf(key);
    return (
      isOwn &&
      parts.every((part) => part.isOwn && part.stored.metadata['batch-etag'] === stored.eTag) &&
      leaves.every((leaf) => {
        const [part, another] = leaf === undefined ? [] : this.partsWith(leaf);
        return part?.place.batchKey === key && another === undefined;
      })
    );
  }

  /** The parts of one batch. */
  partsOf(batchKey: string): Part[] {
    return [...this.parts.values()].filter(({ place }) => place.batchKey === batchKey);
  }

  #takeBatch(key: string, place: BatchPlace, stored: Stored, isOwn: boolean): Batch['leaves'] {
    const elements = readBatch(stored.body);
    const leaves = (elements ?? []).map(({ ids }) => this.#leafAt(place.parent, ids));
    this.batches.set(key, { key, place, stored, elements, leaves, isOwn });
    return leaves;
  }

  #takePart(key: string, place: BatchPlace, stored: Stored, isOwn: boolean): Part['leaves'] {
    const lines = readPart(stored.body, this.#idNames);
    const leaves = typeof lines === 'string' ? [] : lines.map(({ ids }) => this.#leafAt(place.parent, ids));
    this.parts.set(key, { key, place, stored, lines, leaves, isOwn });
    return leaves;
  }

  #leafAt(parent: Node, ids: readonly string[]): Node | undefined {
    return this.#leaves.get(parent)?.get(JSON.stringify(ids));
  }

  #holdersOf(leaf: Node): { batches: Set<string>; parts: Set<string> } {
    const holders = this.#holders.get(leaf);
    if (holders === undefined) throw new Error(`The model has ${leaf.itemKey} in no batch.`);
    return holders;
  }
}
