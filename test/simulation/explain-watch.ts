/**
 * What people are told of one item is what is in the bucket. It is asked for while nothing happens, by each of the names that an item
 * has; of a run in which a person has left something there is no one right answer.
 */
import type { ExplainRequest } from '../../shared/engine/report/explain.ts';
import type { Explanation } from '../../shared/engine/report/explanation.ts';
import type { Batch } from './batch-book.ts';
import { everyNode, type Node } from './model.ts';
import { blurMs, type ReportWatch } from './report-watch.ts';
import type { Scene } from './scene.ts';

/** How many items of each state are asked for. */
const mostOfAState = 2;

export type Question = {
  request: ExplainRequest;
  judge: (explanation: Explanation) => string | undefined;
  /** It names no item: it is refused, and not explained. */
  isRefused?: boolean;
};

export class ExplainWatch {
  readonly #scene: Scene;
  readonly #reports: ReportWatch;

  constructor(scene: Scene, reports: ReportWatch) {
    this.#scene = scene;
    this.#reports = reports;
  }

  /** What is worth asking of a run; nothing when a person has changed something in it. */
  questions(run: string): Question[] {
    const { modelRoots, isTampered } = this.#scene;
    const root = modelRoots.find((each) => each.run === run);
    if (root === undefined || isTampered || this.#reports.hasForeign(run)) return [];
    const asked = new Map<string, number>();
    const questions: Question[] = [];
    for (const node of everyNode(root)) {
      const kind = `${node.api.depth} ${this.#stateOf(node) ?? 'blurred'}`;
      const count = asked.get(kind) ?? 0;
      asked.set(kind, count + 1);
      if (count < mostOfAState) questions.push(...this.#ask(node, count));
    }
    const other = this.#otherName(root);
    return other === undefined ? questions : [...questions, other];
  }

  /** The name of a result with another ending is none. */
  #otherName(root: Node): Question | undefined {
    const leaf = [...everyNode(root)].find(({ api, isInBatch }) => api.isLeaf && !isInBatch);
    if (leaf === undefined) return undefined;
    const asked = leaf.doneKey.replace(/\.[a-z]+$/, (ending) => `.${'x'.repeat(ending.length - 1)}`);
    return { request: { asked }, judge: () => undefined, isRefused: true };
  }

  /** By its key or ids, and then by a key of what was made of it. */
  #ask(node: Node, count: number): Question[] {
    const { run, api, itemKey, doneKey, failureKey, isInBatch } = node;
    const judge = (explanation: Explanation): string | undefined => this.#wrong(node, explanation);
    const byIds: Question = { request: { asked: api.ids, run }, judge };
    if (!isInBatch) {
      const names = [itemKey, doneKey, failureKey].filter(
        (key) => key === itemKey || this.#scene.bucket.objects.has(key),
      );
      return [byIds, { request: { asked: names[count % names.length] ?? itemKey }, judge }];
    }
    const { batches } = this.#scene.checker.ledger;
    const [batch] = batches.batchesWith(node);
    if (batch === undefined) return [byIds];
    const keys = [batch.key, ...batches.partsOf(batch.key).map(({ key }) => key)];
    const asked = keys[count % keys.length] ?? batch.key;
    return [byIds, { request: { asked }, judge: (explanation) => this.#wrongBatch(batch, explanation) }];
  }

  /** undefined: it is about to become another. */
  #stateOf(node: Node): Explanation['state'] | undefined {
    const { checker, core, settings, time } = this.#scene;
    if (this.#reports.isDone(node)) return 'done';
    if (!checker.ledger.isThere(node)) return 'absent';
    const failure = this.#reports.failureOf(node);
    if (failure?.note.status === 'parked') return 'parked';
    if (failure !== undefined) {
      const ageMs = time.nowMs - Date.parse(failure.at);
      const mostMs = core.retryingForMs(settings.deployment);
      if (failure.class !== 'transient') return 'dead';
      return Math.abs(ageMs - mostMs) < blurMs ? undefined : ageMs < mostMs ? 'retrying' : 'dead';
    }
    const stoppedMs = this.#reports.stoppedUntilMs();
    const ageMs = time.nowMs - this.#reports.openSinceMs(node);
    const mostMs = core.lostAfterMs(settings.deployment);
    if (Math.abs(stoppedMs - time.nowMs) < blurMs || Math.abs(ageMs - mostMs) < blurMs) return undefined;
    return stoppedMs > time.nowMs ? 'stopped' : ageMs > mostMs ? 'lost' : 'waiting';
  }

  #wrong(node: Node, told: Explanation): string | undefined {
    const { ledger } = this.#scene.checker;
    const { run, level, parent, isInBatch } = node;
    const state = this.#stateOf(node);
    const object = ledger.isThere(node) ? ledger.object(ledger.objectKeyOf(node)) : undefined;
    const failure = this.#reports.failureOf(node);
    const is = {
      run,
      level,
      // Of an item that is in no batch there is no key.
      key: isInBatch && object === undefined ? told.key : ledger.objectKeyOf(node),
      ids: this.#named(node),
      state: state ?? told.state,
      parent: parent && { key: parent.itemKey, state: this.#parentState(parent) },
      writtenAt: object && new Date(object.modifiedMs).toISOString(),
      lineage: object && Object.keys(object.metadata).length > 0 ? object.metadata : undefined,
      done: this.#doneOf(node),
      failure: failure && [failure.code, failure.at, failure.note.requestId],
    };
    const { done, failure: toldFailure } = told;
    const says = {
      ...Object.fromEntries(Object.keys(is).map((name) => [name, told[name as keyof Explanation]])),
      done: done && [done.key, done.line, done.receipt?.children, done.receipt?.apiCalls],
      // A note that the sweep has left is no failure, and is shown with what is not done.
      failure: failure && toldFailure && [toldFailure.code, toldFailure.at, toldFailure.requestId],
    };
    return differenceOf(node.itemKey, says, is);
  }

  #wrongBatch({ key, place, leaves, stored }: Batch, told: Explanation): string | undefined {
    const { batches } = this.#scene.checker.ledger;
    const nodes = leaves.filter((leaf) => leaf !== undefined);
    const done = nodes.filter((leaf) => this.#reports.isDone(leaf)).length;
    const failures = nodes.flatMap((leaf) => this.#reports.failureOf(leaf) ?? []);
    const is = {
      run: place.parent.run,
      key,
      ids: this.#named(place.parent),
      isDone: done === nodes.length,
      lineage: stored.metadata,
      writtenAt: new Date(stored.modifiedMs).toISOString(),
      // The last error of a batch that is done by now is shown all the same.
      hasFailure: done === nodes.length ? told.failure !== undefined : failures.length > 0,
      parent: { key: place.parent.itemKey, state: this.#parentState(place.parent) },
      counts: [place.number, nodes.length, done, failures.length],
      parts: batches
        .partsOf(key)
        .map((part) => part.key)
        .sort(),
    };
    const { batch, failure } = told;
    const says = {
      ...Object.fromEntries(Object.keys(is).map((name) => [name, told[name as keyof Explanation]])),
      isDone: told.state === 'done',
      hasFailure: failure !== undefined,
      counts: [batch?.number, batch?.items, batch?.done, batch?.failed],
      parts: batch?.parts.map((part) => part.key).sort(),
    };
    return differenceOf(key, says, is);
  }

  #named({ api }: Node): { name: string; id: string }[] {
    const { rows } = this.#scene.plan;
    return api.ids.map((id, index) => ({ name: rows[index]?.id ?? '', id }));
  }

  #parentState(parent: Node): 'done' | 'open' | 'absent' {
    if (!this.#scene.checker.ledger.isThere(parent)) return 'absent';
    return this.#reports.isDone(parent) ? 'done' : 'open';
  }

  /** Key, line, children and calls. */
  #doneOf(node: Node): unknown[] | undefined {
    const { ledger } = this.#scene.checker;
    if (node.isInBatch) {
      const [part] = ledger.batches.partsWith(node);
      return part && [part.key, part.leaves.indexOf(node) + 1, undefined, undefined];
    }
    const done = ledger.object(node.doneKey);
    if (done === undefined) return undefined;
    const { children, 'api-calls': calls } = done.metadata;
    return node.api.isLeaf
      ? [node.doneKey, undefined, undefined, undefined]
      : [node.doneKey, undefined, Number(children), Number(calls)];
  }
}

function differenceOf(what: string, says: object, is: object): string | undefined {
  const [told, right] = [sorted(says), sorted(is)];
  return told === right ? undefined : `the explanation of ${what} says ${told}, and it is ${right}`;
}

/** With the names of all fields in order, and none that is undefined. */
function sorted(value: unknown): string {
  return JSON.stringify(value, (_, each: unknown) =>
    typeof each === 'object' && each !== null && !Array.isArray(each)
      ? Object.fromEntries(Object.entries(each).sort(([a], [b]) => (a < b ? -1 : 1)))
      : each,
  );
}
