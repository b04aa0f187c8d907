/** A run's tables and results as ordinary files, in their folders: ready for DuckDB, pandas or Spark. */
import { accessSync, constants, mkdirSync } from 'node:fs';
import { join, resolve } from 'node:path';
import type { S3Client } from '@aws-sdk/client-s3';
import { forEachConcurrently } from '../../shared/engine/concurrency.ts';
import { tableRunPrefix, tableSuccessKey } from '../../shared/engine/publish/table-keys.ts';
import type { Place } from '../../shared/lambda/status-answer.ts';
import { UsageError } from '../terminal/options.ts';
import { copyToFile, listObjects, type BucketObject } from './deployed-bucket.ts';

export type Downloaded = {
  files: number;
  bytes: number;
  /** Tables with a success marker, whose files are there. */
  tables: string[];
  /** Tables that the run has no success marker of: their files are left out. */
  unpublished: string[];
};

const copiesAtOnce = 16;

/**
 * Makes the folder that is to be filled, so that one that can't be used is noticed before anything is fetched.
 * @returns its absolute path
 * @throws UsageError
 */
export function makeOutDir(dir: string): string {
  const outDir = resolve(dir);
  try {
    mkdirSync(outDir, { recursive: true });
    accessSync(outDir, constants.W_OK | constants.X_OK);
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException;
    throw new UsageError(`--out ${dir} can not be made or written to: ${code ?? message}.`);
  }
  return outDir;
}

/**
 * @param outDir `tables/<table>/run=<run>/…` and `<result prefix>/<run>/…` are put into it
 * @param withResults false: tables only
 */
export async function downloadRun(
  client: S3Client,
  { bucket, resultPrefix, tables }: Place,
  { run, outDir, withResults = true }: { run: string; outDir: string; withResults?: boolean },
): Promise<Downloaded> {
  const downloaded: Downloaded = { files: 0, bytes: 0, tables: [], unpublished: [] };
  const copy = async ({ key, sizeBytes }: BucketObject): Promise<void> => {
    await copyToFile(client, bucket, key, pathOf(outDir, key));
    downloaded.files += 1;
    downloaded.bytes += sizeBytes;
  };
  for (const table of tables) {
    const objects = await Array.fromAsync(listObjects(client, bucket, tableRunPrefix(table, run)));
    const marker = objects.find(({ key }) => key === tableSuccessKey(table, run));
    if (marker === undefined) {
      downloaded.unpublished.push(table);
      continue;
    }
    await forEachConcurrently(
      objects.filter((object) => object !== marker),
      copiesAtOnce,
      copy,
    );
    // As in the bucket, the marker comes last.
    await copy(marker);
    downloaded.tables.push(table);
  }
  if (withResults)
    await forEachConcurrently(listObjects(client, bucket, `${resultPrefix}/${run}/`), copiesAtOnce, copy);
  return downloaded;
}

/** @throws Error for a key that would lead out of the folder: no key of ours does */
function pathOf(outDir: string, key: string): string {
  const segments = key.split('/');
  if (segments.some((segment) => segment === '' || segment === '.' || segment === '..' || segment.includes('\\')))
    throw new Error(`The key ${key} can not be a file's path.`);
  return join(outDir, ...segments);
}
