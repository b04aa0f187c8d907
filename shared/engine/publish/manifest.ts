/** What is known of a run's table: the body of its `_manifest.json` and of its `_SUCCESS`. The only place that builds or reads one. */
import { ItemError } from '../errors.ts';
import type { ObjectStore } from '../ports.ts';
import type { Column, EarlierTypes } from './columns.ts';
import type { Drift } from './drift.ts';
import { runOfTableSuccess, tableManifestKey, tablePrefix, tableSuccessKey } from './table-keys.ts';

export type Manifest = {
  table: string;
  run: string;
  publication: string;
  /** ISO 8601. */
  publishedAt: string;
  rows: number;
  bytes: number;
  parts: { key: string; rows: number; bytes: number; eTag: string }[];
  columns: readonly Column[];
  /** By the name in the answer: the name of its column. */
  renamed: Record<string, string>;
  /** Absent in the first run. */
  drift?: Drift;
};

/** A thousand columns, and a hundred thousand parts. */
const maxManifestBytes = 50_000_000;

/** @returns undefined when the run was never published to the table, or what is there is none of ours */
export async function readManifest(
  table: string,
  run: string,
  store: Pick<ObjectStore, 'get'>,
): Promise<Manifest | undefined> {
  try {
    const object = await store.get(tableManifestKey(table, run), maxManifestBytes);
    return object && parseManifest(object.body);
  } catch (error) {
    if (error instanceof ItemError && error.code === 'TOO_LARGE') return undefined;
    throw error;
  }
}

/** The success marker comes last: until it is there, the run has no table. */
export async function writeManifest(manifest: Manifest, store: Pick<ObjectStore, 'put'>): Promise<void> {
  const { table, run } = manifest;
  const body = JSON.stringify(manifest);
  await store.put(tableManifestKey(table, run), body, {});
  await store.put(tableSuccessKey(table, run), body, {});
}

/**
 * The run that a run's table is compared with: the newest that was published before it. A run that is published again is
 * compared with the same one as before.
 */
export async function earlierRun(
  table: string,
  run: string,
  store: Pick<ObjectStore, 'get' | 'list'>,
): Promise<string | undefined> {
  const own = await readManifest(table, run, store);
  if (own !== undefined) return own.drift?.against;
  let newest: { run: string; modifiedMs: number } | undefined;
  for await (const page of store.list(tablePrefix(table))) {
    for (const { key, modifiedMs } of page) {
      const found = runOfTableSuccess(table, key);
      // Names are mostly dates: of two in the same second the later name is the newer one.
      if (found !== undefined && (newest === undefined || modifiedMs >= newest.modifiedMs))
        newest = { run: found, modifiedMs };
    }
  }
  return newest?.run;
}

/** The types of a table's columns, for the run that comes after it. */
export function typesIn(manifest: Pick<Manifest, 'columns'> | undefined): EarlierTypes {
  return new Map((manifest?.columns ?? []).map(({ name, type }) => [name, type]));
}

function parseManifest(body: string): Manifest | undefined {
  let value: unknown;
  try {
    value = JSON.parse(body);
  } catch {
    return undefined;
  }
  const manifest = (value ?? {}) as Partial<Manifest>;
  const isManifest =
    [manifest.table, manifest.run, manifest.publication].every((text) => typeof text === 'string') &&
    [manifest.rows, manifest.bytes].every((count) => typeof count === 'number') &&
    Array.isArray(manifest.columns) &&
    Array.isArray(manifest.parts);
  return isManifest ? (manifest as Manifest) : undefined;
}
