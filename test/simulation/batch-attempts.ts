/**
 * What each attempt of one batch must do, from what the bucket says when it begins: in which groups its items are fetched, that each
 * group is noted before it is called, and stored before the next one; and where its results are cut into parts.
 */
import type { Call } from './api.ts';
import type { Part } from './batch-book.ts';
import type { Stored } from './bucket.ts';
import type { GivenEvent, Life } from './life.ts';
import type { Node } from './model.ts';

/** A batch's note, as far as it says what is to be done. */
type Note = {
  status?: string;
  class?: string;
  replays?: number;
  refires?: number;
  attempts?: number;
  suspects?: readonly number[];
  running?: readonly number[];
  items?: readonly { index: number; id: string; class: string; attempts: number }[];
};

type Attempt = {
  life: Life;
  event: GivenEvent;
  before: Note;
  suspects: readonly number[];
  isNoted: boolean;
  groups: readonly (readonly number[])[];
  /** A note says that nothing is under way any more. */
  isOver: boolean;
  /** How many groups were noted. */
  begun: number;
  /** Each with the bytes of its lines. */
  parts: { group: number; bytes: readonly number[] }[];
};

export type BatchAttemptsOptions = {
  leaves: readonly Node[];
  isDone: (leaf: Node) => boolean;
  note: () => Stored | undefined;
  settings: { maxPartBytes: number };
  onBroken: (what: string) => void;
};

/** Fifty items are alone at the second division. */
const groupsAtOnce = 8;
/** An item that fails in so many attempts is left alone while others of its batch wait. */
const mostAttempts = 3;

export class BatchAttempts {
  readonly #options: BatchAttemptsOptions;
  #attempt: Attempt | undefined;

  constructor(options: BatchAttemptsOptions) {
    this.#options = options;
  }

  begins(life: Life, event: GivenEvent, isRepeat: boolean): void {
    const { leaves, isDone, note } = this.#options;
    this.#ends();
    const before = JSON.parse(note()?.body ?? '{}') as Note;
    const open = [...leaves.keys()].filter((index) => !isDone(leaves[index] as Node));
    const running = (before.running ?? []).filter((index) => open.includes(index));
    const crashed = before.running?.length === 1 ? running : [];
    const suspects = [...new Set([...(before.suspects ?? []), ...running])].filter(
      (index) => open.includes(index) && !crashed.includes(index),
    );
    const known = (before.replays ?? 0) < event.replays ? [] : (before.items ?? []);
    const isSpent = (index: number): boolean => {
      const failure = known.find((each) => each.index === index);
      const isOften = event.waited > 0 && (failure?.attempts ?? 0) >= mostAttempts;
      return crashed.includes(index) || failure?.class === 'item' || (failure !== undefined && isOften);
    };
    const hasFailed = (index: number): boolean => known.some((each) => each.index === index);
    const todo = open.filter((index) => !isSpent(index));
    const ordered = [...todo.filter((index) => !hasFailed(index)), ...todo.filter(hasFailed)];
    const size = Math.max(1, Math.ceil((running.length || suspects.length) / groupsAtOnce));
    const groups = groupsOf(ordered, suspects, size);
    const isNoted = isRepeat || suspects.length > 0;
    this.#attempt = { life, event, before, suspects, isNoted, groups, isOver: false, begun: 0, parts: [] };
  }

  noted(stored: Stored, by: Life): void {
    const attempt = this.#attempt;
    const note = JSON.parse(stored.body) as Note;
    if (attempt?.life !== by || note.status !== 'isolating') return;
    const { event, groups, suspects, before, begun, isNoted } = attempt;
    const running = note.running ?? [];
    const group = groups[begun];
    const isRight =
      isNoted &&
      (running.length === 0 || JSON.stringify(running) === JSON.stringify(group)) &&
      JSON.stringify(note.suspects) === JSON.stringify(suspects) &&
      note.class === 'transient' &&
      note.replays === event.replays &&
      note.refires === event.refires &&
      note.attempts === (before.attempts ?? 0) + 1;
    if (!isRight)
      this.#break(`notes ${stored.body}, and should begin with ${JSON.stringify(group)}, suspects ${suspects.join()}`);
    if (attempt.isOver) this.#break(`says that nothing is under way, and goes on with ${running.join()}`);
    attempt.isOver = running.length === 0;
    if (running.length === 0) return;
    this.#mustHaveStored(groups.slice(0, begun).flat(), note);
    attempt.begun += 1;
  }

  called({ life }: Call, leaf: Node): void {
    const attempt = this.#attempt;
    if (attempt?.life !== life) return;
    const index = this.#options.leaves.indexOf(leaf);
    const group = attempt.groups.findIndex((each) => each.includes(index));
    if (group < 0) this.#break(`asks for item ${index}, which is not to be fetched`);
    else if (attempt.isNoted && group !== attempt.begun - 1) this.#break(`asks for item ${index} before it is noted`);
  }

  /** Lines are gathered until there are enough of them, group by group. */
  stored({ stored, leaves }: Part, by: Life): void {
    const attempt = this.#attempt;
    if (attempt?.life !== by) return;
    const lines = stored.body.split('\n').slice(0, -1);
    const bytes = lines.map((line) => Buffer.byteLength(line) + 1);
    const places = leaves.map((leaf) => (leaf === undefined ? -1 : this.#options.leaves.indexOf(leaf)));
    const group = attempt.groups.findIndex((each) => each.includes(places[0] ?? -1));
    if (places.some((place) => attempt.groups[group]?.includes(place) !== true))
      this.#break(`writes a part with items of two groups: ${places.join()}`);
    attempt.parts.push({ group, bytes });
  }

  /** A part is some lines of less than its size together, and one more; only the last of a group is smaller. */
  #mustBeCutRight({ parts, groups }: Attempt): void {
    const { maxPartBytes } = this.#options.settings;
    for (const group of groups.keys()) {
      const its = parts.filter((part) => part.group === group).map(({ bytes }) => bytes);
      const cut: number[][] = [];
      for (const bytes of its.flat()) {
        const last = cut.at(-1);
        if (last === undefined || sum(last) >= maxPartBytes) cut.push([bytes]);
        else last.push(bytes);
      }
      if (JSON.stringify(cut) !== JSON.stringify(its))
        this.#break(`cuts its lines into parts of ${JSON.stringify(its)} bytes, and not ${JSON.stringify(cut)}`);
    }
  }

  #mustHaveStored(indexes: readonly number[], { items = [] }: Note): void {
    const { leaves, isDone } = this.#options;
    const left = indexes.find((index) => !isDone(leaves[index] as Node) && !items.some((each) => each.index === index));
    if (left !== undefined)
      this.#break(`begins a group, and item ${left} of those before is neither stored nor failed`);
  }

  /** It came to its end, if nothing has stopped it. */
  #ends(): void {
    const attempt = this.#attempt;
    if (attempt === undefined) return;
    this.#mustBeCutRight(attempt);
    if (attempt.life.isDead || !attempt.isNoted || attempt.begun === attempt.groups.length) return;
    this.#break(`has noted ${attempt.begun} of the groups ${JSON.stringify(attempt.groups)}`);
  }

  end(): void {
    this.#ends();
    this.#attempt = undefined;
  }

  #break(what: string): void {
    this.#options.onBroken(`${this.#attempt?.life.name} ${what}`);
  }
}

function sum(numbers: readonly number[]): number {
  return numbers.reduce((all, each) => all + each, 0);
}

/** Those that are not suspected first. */
function groupsOf(todo: readonly number[], suspects: readonly number[], size: number): number[][] {
  if (todo.length === 0) return [];
  if (suspects.length === 0) return [[...todo]];
  const others = todo.filter((index) => !suspects.includes(index));
  const suspected = todo.filter((index) => suspects.includes(index));
  const groups = others.length > 0 ? [others] : [];
  for (let at = 0; at < suspected.length; at += size) groups.push(suspected.slice(at, at + size));
  return groups;
}
