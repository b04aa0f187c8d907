/** What people drop to start the runs: one wish, in several words. */
import type { Params } from '../../shared/engine/chain/params.ts';
import type { ChainPlan } from './chain-plan.ts';
import type { Faults } from './faults.ts';
import type { WantedIds } from './ledger.ts';
import { isAlways, type ApiNode } from './model.ts';

export type SeedTexts = {
  wanted: WantedIds;
  /** What the seeds set, and defaults that do not move with time. */
  given: Params;
  /** All ask for the same. */
  texts: readonly string[];
  /** Of a run that was started: they ask for what a run can't change. */
  changed: readonly string[];
};

/** A run is asked for some of the ids or for all, at the first level and below it. */
export function drawSeeds(root: ApiNode, plan: ChainPlan, faults: Faults): SeedTexts {
  const site = faults.site('seed text');
  const only: Record<string, string[]> = {};
  for (const [depth, { id }] of plan.rows.entries()) {
    const ids = idsAt(root, depth + 1);
    if (id === undefined || ids.length < 2 || faults.between(site, `some ${id}`, 0, depth === 0 ? 2 : 7) > 0) continue;
    only[id] = ids.slice(1);
  }
  const wanted = Object.fromEntries(Object.entries(only).map(([name, ids]) => [name, new Set(ids)]));
  const required = Object.fromEntries(
    Object.entries(plan.params).flatMap(([name, { default: usual }]) => (usual === undefined ? [[name, 'north']] : [])),
  );
  const usual = Object.fromEntries(
    Object.entries(plan.params).flatMap(([name, { default: value }]) =>
      value === undefined || String(value).startsWith('now') ? [] : [[name, value]],
    ),
  );
  const given = { ...usual, ...required };
  return { wanted, given, texts: textsOf(only, required, given), changed: changedTexts(plan, only, required) };
}

/** The ids at a depth that the API always has, each once. */
function idsAt(node: ApiNode, depth: number): string[] {
  if (depth === 0) return [node.id];
  const always = node.children.filter(isAlways);
  return [...new Set(always.flatMap((child) => idsAt(child, depth - 1)))];
}

/** With another value of a parameter, or with other ids below the first list. */
function changedTexts({ rows, params }: ChainPlan, only: Record<string, string[]>, required: Params): string[] {
  const others: Params = { zone: 'south', detail: true, since: '2020-01-01T00:00:00Z' };
  const deeper = rows.slice(1).flatMap(({ id }) => id ?? []);
  return [
    ...Object.keys(params).map((name) => JSON.stringify({ only, params: { ...required, [name]: others[name] } })),
    ...deeper.flatMap((id) =>
      otherIds(only[id] ?? []).map((ids) => JSON.stringify({ only: { ...only, [id]: ids }, params: required })),
    ),
  ];
}

/** None of the ids, all but one, one for another, and one more. */
function otherIds(ids: readonly string[]): string[][] {
  const fewer = ids.slice(1);
  return [
    ['another'],
    ...(fewer.length > 0 ? [fewer] : []),
    ...(ids.length > 0
      ? [
          [...fewer, 'another'],
          [...ids, 'another'],
        ]
      : []),
  ];
}

function textsOf(only: Record<string, string[]>, required: Params, given: Params): string[] {
  const turned = Object.fromEntries(Object.entries(only).map(([name, ids]) => [name, ids.toReversed()]));
  const seed = (ids: Record<string, string[]>, params: Params): string =>
    JSON.stringify({
      ...(Object.keys(ids).length > 0 && { only: ids }),
      ...(Object.keys(params).length > 0 && { params }),
    });
  return [seed(only, required), ` ${seed(turned, given)}`, `\uFEFF${seed(only, given)}\n`];
}
