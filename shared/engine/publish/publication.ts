/**
 * The record of a run's publication, `publications/<run>.json`: the only place that builds, reads or writes one. It is replaced
 * only over the version that was seen, so that of two publications of a run one is the current one, and the other knows it.
 */
import { ItemError } from '../errors.ts';
import type { ObjectStore } from '../ports.ts';
import type { Drift } from './drift.ts';
import { publicationKey } from './table-keys.ts';

export type PublishedTable = {
  table: string;
  rows: number;
  bytes: number;
  parts: number;
  drift?: Drift;
};

export type PlannedTable = {
  table: string;
  parts: number;
  /** The run that its columns are compared with. */
  against?: string;
};

export type Publication = {
  run: string;
  /** Of what is published and how: the same results come to the same publication. */
  publication: string;
  /** Of the run's success marker that it was last asked for by. */
  successETag: string;
  state: 'publishing' | 'published';
  /** ISO 8601. */
  at: string;
  /** How many parts each table has: at least as many as any publication of the run had before. */
  plan: PlannedTable[];
  /** Once it is published. */
  tables: PublishedTable[];
};

const maxPublicationBytes = 1_000_000;

/** What is there and none of ours is undefined, with its ETag: that is needed to write over it. */
export async function readPublication(
  run: string,
  store: Pick<ObjectStore, 'get' | 'head'>,
): Promise<{ publication: Publication | undefined; eTag: string | undefined }> {
  try {
    const object = await store.get(publicationKey(run), maxPublicationBytes);
    return { publication: object && parsePublication(object.body, run), eTag: object?.eTag };
  } catch (error) {
    if (!(error instanceof ItemError && error.code === 'TOO_LARGE')) throw error;
    return { publication: undefined, eTag: (await store.head(publicationKey(run)))?.eTag };
  }
}

/** @param eTag of the version that was seen; undefined: there was none */
export function replacePublication(
  publication: Publication,
  eTag: string | undefined,
  store: Pick<ObjectStore, 'replace'>,
): Promise<'replaced' | 'changed'> {
  return store.replace(publicationKey(publication.run), JSON.stringify(publication), {}, eTag);
}

function parsePublication(body: string, run: string): Publication | undefined {
  let value: unknown;
  try {
    value = JSON.parse(body);
  } catch {
    return undefined;
  }
  const record = (value ?? {}) as Partial<Publication>;
  const isPublication =
    record.run === run &&
    [record.publication, record.successETag, record.at].every((text) => typeof text === 'string') &&
    (record.state === 'publishing' || record.state === 'published') &&
    Array.isArray(record.plan) &&
    record.plan.every((each) => typeof each.table === 'string' && Number.isSafeInteger(each.parts)) &&
    Array.isArray(record.tables);
  return isPublication ? (record as Publication) : undefined;
}
