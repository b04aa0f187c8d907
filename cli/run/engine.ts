/** The local engine as the commands use it: the packaged service, its seeds, and what its functions needed. */
import { PutObjectCommand, S3Client, S3ServiceException } from '@aws-sdk/client-s3';
import { type LocalAws, peoplesCredentials, region } from '../../local-aws/index.ts';
import type { Chain } from '../../shared/engine/chain/chain.ts';
import { seedKey } from '../../shared/engine/chain/keys.ts';
import type { Manifest } from '../../shared/engine/publish/manifest.ts';
import { tableSuccessKey } from '../../shared/engine/publish/table-keys.ts';
import { tablesOf } from '../../shared/engine/publish/tables.ts';
import type { TableSummary } from './summary.ts';
import { metadataIn, type Counted } from './tally.ts';
import type { Deployment } from './function-client.ts';

/** Metrics of the functions that the commands read: milliseconds slept for turns at the API, and calls to it. */
export const waitedForTurn = 'WaitedForTurn';
export const apiCalls = 'ApiCalls';

/** For the clients of a deployment in this process. */
export function ofThisEngine({ endpoint }: LocalAws): Deployment {
  return { stage: 'dev', region, local: { endpoint, credentials: peoplesCredentials } };
}

/** Through the S3 client, as a person would. A seed that is there already is left alone: its run continues. */
export async function dropSeed({ endpoint, bucket }: LocalAws, run: string, seed: string): Promise<void> {
  const client = new S3Client({ endpoint, region, credentials: peoplesCredentials });
  const object = { Bucket: bucket, Key: seedKey(run), Body: seed, ContentType: 'application/json' };
  try {
    await client.send(new PutObjectCommand({ ...object, IfNoneMatch: '*' }));
  } catch (error) {
    if (!(error instanceof S3ServiceException && error.name === 'PreconditionFailed')) throw error;
  } finally {
    client.destroy();
  }
}

export function* storedObjects({ s3, bucket }: LocalAws): Generator<Counted> {
  let continuationToken: string | undefined;
  do {
    const page = s3.list(bucket, { continuationToken });
    for (const { key } of page.contents) yield { key, metadata: () => metadataIn(s3.head(bucket, key).headers) };
    continuationToken = page.nextContinuationToken;
  } while (continuationToken !== undefined);
}

/** The tables of a run that are published: those with a success marker, which holds what is known of them. */
export function publishedTables({ s3, bucket }: LocalAws, chain: Chain, run: string): TableSummary[] {
  return tablesOf(chain).flatMap(({ name }) => {
    const key = tableSuccessKey(name, run);
    if (!s3.list(bucket, { prefix: key }).contents.some((object) => object.key === key)) return [];
    const { rows, columns, parts, bytes } = JSON.parse(Buffer.from(s3.get(bucket, key).body).toString()) as Manifest;
    return [{ table: name, rows, columns: columns.length, files: parts.length, bytes }];
  });
}

/** What the functions slept, in the memory that each of them has. */
export function waitingGbSeconds({ metrics, lambda }: LocalAws): number {
  return [...metrics.sums(waitedForTurn)]
    .map(([name, ms]) => (ms / 1000) * (lambda.definition(name).memoryMb / 1024))
    .reduce((sum, gbSeconds) => sum + gbSeconds, 0);
}

/** Calls to the API, as the functions counted them. */
export function countedCalls({ metrics }: LocalAws): number {
  return [...metrics.sums(apiCalls)].reduce((sum, [, calls]) => sum + calls, 0);
}
