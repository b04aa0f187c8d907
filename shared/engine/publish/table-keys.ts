/**
 * The keys of what is published. Public: people's queries read them.
 *
 *     tables/<table>/run=<run>/part-00000.parquet     rows of the run
 *     tables/<table>/run=<run>/_manifest.json         its columns, rows, bytes, parts, and what changed against the run before
 *     tables/<table>/run=<run>/_SUCCESS               the same, written last: all parts are there
 *     publications/<run>.json                         how far the run's publication is
 *     pieces/<run>/<publication>/<table>/<part>.json  results that become one part; deleted when the run is published
 *     receipts/publish/<run>/<publication>/…          what the results of a piece have shown of the columns
 */
import { isRunName, receiptPrefix, recordPrefixes, successName } from '../chain/keys.ts';

const runFolder = /^run=([^/]+)$/;

export function tablePrefix(table: string): string {
  return `${recordPrefixes.tables}/${table}/`;
}

export function tableRunPrefix(table: string, run: string): string {
  return `${tablePrefix(table)}run=${run}/`;
}

/** @param part from 0 */
export function tablePartKey(table: string, run: string, part: number): string {
  return `${tableRunPrefix(table, run)}part-${partName(part)}.parquet`;
}

export function tableManifestKey(table: string, run: string): string {
  return `${tableRunPrefix(table, run)}_manifest.json`;
}

export function tableSuccessKey(table: string, run: string): string {
  return `${tableRunPrefix(table, run)}${successName}`;
}

/** @returns the run of a table's success marker; undefined for any other key under the table */
export function runOfTableSuccess(table: string, key: string): string | undefined {
  if (!key.startsWith(tablePrefix(table))) return undefined;
  const [folder = '', name, ...more] = key.slice(tablePrefix(table).length).split('/');
  const run = runFolder.exec(folder)?.[1];
  return run !== undefined && isRunName(run) && name === successName && more.length === 0 ? run : undefined;
}

export function publicationKey(run: string): string {
  return `${recordPrefixes.publications}/${run}.json`;
}

const partDigits = 5;
/** Parts of a table that one run can have. */
export const mostParts = 10 ** partDigits;

/** `00000` */
export function partName(part: number): string {
  return String(part).padStart(partDigits, '0');
}

/** Where it is kept what the rows of a part have shown: a run that is too large for one invocation is looked at in several. */
export function seenKey(run: string, publication: string, table: string, part: number): string {
  return `${receiptPrefix({ name: 'publish' })}/${run}/${publication}/${table}/${partName(part)}.json`;
}
