/** What is another about a table's columns than in the run before. */
import type { ColumnType } from './cell-kinds.ts';

export type NamedType = { name: string; type: ColumnType };

export type Drift = {
  /** The run before. */
  against: string;
  added: string[];
  removed: string[];
  changed: { name: string; was: ColumnType; is: ColumnType }[];
};

export function driftOf(against: string, before: readonly NamedType[], now: readonly NamedType[]): Drift {
  const was = new Map(before.map(({ name, type }) => [name, type]));
  const names = new Set(now.map(({ name }) => name));
  return {
    against,
    added: now.filter(({ name }) => !was.has(name)).map(({ name }) => name),
    removed: before.filter(({ name }) => !names.has(name)).map(({ name }) => name),
    changed: now.flatMap(({ name, type: is }) => {
      const earlier = was.get(name);
      return earlier === undefined || earlier === is ? [] : [{ name, was: earlier, is }];
    }),
  };
}

/** Whether a query that ran on the run before may fail: columns that were added do no harm. */
export function isIncompatible({ removed, changed }: Drift): boolean {
  return removed.length + changed.length > 0;
}

/** In half a line; undefined when nothing changed. */
export function describeDrift({ against, added, removed, changed }: Drift): string | undefined {
  const parts = [
    ...(added.length > 0 ? [`added ${added.join(', ')}`] : []),
    ...(removed.length > 0 ? [`removed ${removed.join(', ')}`] : []),
    ...changed.map(({ name, was, is }) => `${name} was ${was}, is ${is}`),
  ];
  return parts.length === 0 ? undefined : `against ${against}: ${parts.join('; ')}`;
}
