/** What a level's declaration looks for in an answer, and what is there: so that a wrong path is corrected at first sight. Pure. */
import type { LevelDeclaration, Paginator } from '../../shared/source/define.ts';
import type { ReplyOf } from '../../shared/source/api-client.ts';
import { showPath, stepsOf, valueAt, type PathStep } from '../../shared/source/json-path.ts';
import { startPaging } from '../../shared/source/paginators.ts';

export type Explained = {
  /** The field of the declaration, e.g. `items`. */
  field: string;
  path: string;
  /** What is there. */
  found: string;
  isRight: boolean;
  /** Where something that fits is instead. */
  instead: string[];
};

const mostHints = 8;
/** Deeper there is nothing that a person means by "the list". */
const deepestHint = 4;

/** Declared levels only: what a function looks for is not known. */
export function explainAnswer(declaration: LevelDeclaration, { reply, mask }: ReplyOf): Explained[] {
  if (declaration.kind !== 'list' || declaration.fetch !== undefined || reply.status >= 300) return [];
  const value = jsonOf(reply.bytes);
  if (value === undefined) return [];
  const { items = '$', idPath = 'id', next } = declaration;
  const itemSteps = stepsOf(items);
  const list = valueAt(value, itemSteps);
  const explained: Explained[] = [
    {
      field: 'items',
      path: showPath(itemSteps),
      found: describe(list),
      isRight: Array.isArray(list),
      instead: Array.isArray(list) ? [] : listsIn(value),
    },
  ];
  const [first] = Array.isArray(list) ? (list as unknown[]) : [];
  if (first !== undefined) {
    const steps = stepsOf(idPath);
    const id = valueAt(first, steps);
    const isRight = (typeof id === 'string' && id !== '') || typeof id === 'number';
    const path = showPath(steps);
    explained.push({ field: 'idPath', path, found: describe(id), isRight, instead: isRight ? [] : idsIn(first) });
  }
  explained.push(...explainNext(next, value, list));
  return explained.map((each) => ({
    ...each,
    found: mask(each.found),
    instead: each.instead.map((hint) => mask(hint)),
  }));
}

/** Only where the paginator reads the body: without a next page nothing may be wrong, so candidates are named and no more. */
function explainNext(next: Paginator | undefined, value: unknown, list: unknown): Explained[] {
  if (next?.type !== 'cursor' && next?.type !== 'jsonLink') return [];
  const steps = stepsOf(next.path);
  const found = valueAt(value, steps);
  const isThere = typeof found === 'string' || typeof found === 'number';
  const instead = found === undefined ? pagingFieldsIn(value, list) : [];
  const isRight = isThere || found === null || instead.length === 0;
  return [{ field: 'next', path: showPath(steps), found: describe(found), isRight, instead }];
}

/** @returns how the next page is asked for, null after the last one, undefined where there are no pages */
export function nextPageOf(declaration: LevelDeclaration, received: ReplyOf): string | null | undefined {
  if (declaration.kind !== 'list' || declaration.fetch !== undefined) return undefined;
  const { next, items = '$' } = declaration;
  const { reply, url, call, mask } = received;
  const text = new TextDecoder().decode(reply.bytes);
  const value = jsonOf(reply.bytes);
  const list = valueAt(value, stepsOf(items));
  if (next === undefined || next.type === 'singlePage' || reply.status >= 300 || !Array.isArray(list)) return undefined;
  try {
    const page = { url, call, mask, headers: reply.headers, text, value, count: list.length };
    const change = startPaging(next).next(page);
    if (change === undefined) return null;
    if (change.url !== undefined) return mask(change.url.href);
    const query = Object.entries(change.query ?? {}).map(([name, each]) => `?${name}=${each}`);
    const body = (change.body ?? []).map(
      ({ place, value: each }) => `${showPath(stepsOf(place))}: ${JSON.stringify(each)}`,
    );
    return mask([...query, ...body].join(', '));
  } catch {
    return undefined; // The fetch itself says what is wrong.
  }
}

/** Lists anywhere in the answer, the longest first. */
function listsIn(value: unknown): string[] {
  const lists: { path: string; length: number }[] = [];
  walk(value, [], (at, steps) => {
    if (!Array.isArray(at)) return true;
    lists.push({ path: showPath(steps), length: at.length });
    return false;
  });
  return lists
    .sort((a, b) => b.length - a.length)
    .slice(0, mostHints)
    .map(({ path, length }) => `${path} (a list of ${length})`);
}

/** Texts and numbers in an element; those whose name says that they are ids first. */
function idsIn(element: unknown): string[] {
  const fields: { path: string; shown: string; isNamed: boolean }[] = [];
  walk(element, [], (at, steps) => {
    if (typeof at === 'string' || typeof at === 'number') {
      const isNamed = /(?:^|[._-])(?:id|key|name|uid|uuid|slug)$|Id$/.test(showPath(steps));
      fields.push({ path: showPath(steps), shown: describe(at), isNamed });
    }
    return !Array.isArray(at);
  });
  return fields
    .sort((a, b) => Number(b.isNamed) - Number(a.isNamed))
    .slice(0, mostHints)
    .map(({ path, shown }) => `${path} (${shown})`);
}

/** What looks as if it led to another page, outside of the list itself. */
function pagingFieldsIn(value: unknown, list: unknown): string[] {
  const fields: string[] = [];
  walk(value, [], (at, steps) => {
    if (at === list || Array.isArray(at)) return false;
    const name = String(steps.at(-1) ?? '');
    const isScalar = typeof at === 'string' || typeof at === 'number';
    if (isScalar && /next|cursor|token|after|continu|offset|page|more/i.test(name))
      fields.push(`${showPath(steps)} (${describe(at)})`);
    return true;
  });
  return fields.slice(0, mostHints);
}

/** @param visit whether to look into it */
function walk(
  value: unknown,
  steps: readonly PathStep[],
  visit: (at: unknown, steps: readonly PathStep[]) => boolean,
): void {
  if (!visit(value, steps) || typeof value !== 'object' || value === null || steps.length >= deepestHint) return;
  for (const [name, each] of Object.entries(value)) walk(each, [...steps, name], visit);
}

function describe(value: unknown): string {
  if (value === undefined) return 'nothing';
  if (value === null) return 'null';
  if (Array.isArray(value)) return `a list of ${value.length}`;
  if (typeof value === 'object') {
    const names = Object.keys(value);
    const shown = names.slice(0, mostHints).join(', ');
    return names.length === 0 ? 'an empty object' : `an object with ${shown}${names.length > mostHints ? ', …' : ''}`;
  }
  const text = JSON.stringify(value);
  return text.length > 60 ? `${text.slice(0, 60)}…` : text;
}

function jsonOf(bytes: Uint8Array): unknown {
  try {
    return JSON.parse(new TextDecoder().decode(bytes)) as unknown;
  } catch {
    return undefined;
  }
}
