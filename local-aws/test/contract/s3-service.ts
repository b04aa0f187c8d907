/**
 * What this project expects of an S3, asked through the AWS SDK over HTTP of whatever answers at an endpoint. It does
 * not know which S3 that is. Where one is known to deviate, the caller says so, by the test's title and with the
 * reason; such a test must then fail, so that the list can't outlive the deviation.
 */
import { afterAll, beforeAll, describe, test } from '@jest/globals';
import { CreateBucketCommand, DeleteObjectsCommand, ListObjectsV2Command, S3Client } from '@aws-sdk/client-s3';
import { randomUUID } from 'node:crypto';
import type { S3Contract } from './s3-contract.ts';
import { bucketContract } from './s3-buckets.ts';
import { conditionContract } from './s3-conditions.ts';
import { integrityContract } from './s3-integrity.ts';
import { listingContract } from './s3-listing.ts';
import { multipartContract } from './s3-multipart.ts';
import { objectContract } from './s3-objects.ts';

export interface StartedS3 {
  /** Without it: AWS itself, with the credentials and the region of the environment. */
  endpoint?: string;
  /** A bucket to work in, under a prefix of its own; without it one is made. */
  bucket?: string;
  stop: () => Promise<void>;
}

export interface S3ContractOptions {
  /** Title of a test to the reason why this service is known to fail it. */
  deviations?: Record<string, string>;
  /** A service on a server of ours makes and deletes buckets; a real account is left alone. */
  mayMakeBuckets?: boolean;
}

export function s3ServiceContract(
  name: string,
  start: () => Promise<StartedS3>,
  { deviations = {}, mayMakeBuckets = true }: S3ContractOptions = {},
): void {
  describe(`S3 as ${name}`, () => {
    let service: StartedS3;
    let client: S3Client;
    let bucket: string;
    const run = `contract-${randomUUID()}`;
    let prefixes = 0;
    const titles = new Set<string>();

    beforeAll(async () => {
      service = await start();
      client = newClient(service.endpoint);
      bucket = service.bucket ?? run;
      if (service.bucket === undefined) await client.send(new CreateBucketCommand({ Bucket: bucket }));
    });

    afterAll(async () => {
      if (service.bucket !== undefined) await deleteAll(client, service.bucket, `${run}/`);
      client.destroy();
      await service.stop();
    });

    const contract: S3Contract = {
      client: () => client,
      bucket: () => bucket,
      newPrefix: () => `${run}/${++prefixes}/`,
      promise: (title, body, timeoutMs) => {
        titles.add(title);
        const reason = deviations[title];
        if (reason === undefined) test(title, body, timeoutMs);
        else test.failing(`${title} [${name} does not: ${reason}]`, body, timeoutMs);
      },
    };
    objectContract(contract);
    conditionContract(contract);
    integrityContract(contract);
    listingContract(contract);
    multipartContract(contract);
    if (mayMakeBuckets) bucketContract(contract);

    const unknown = Object.keys(deviations).filter((title) => !titles.has(title));
    if (unknown.length > 0) throw new Error(`Deviations from tests that do not exist: ${unknown.join('; ')}`);
  });
}

function newClient(endpoint: string | undefined): S3Client {
  if (endpoint === undefined) return new S3Client({});
  return new S3Client({
    endpoint,
    region: 'us-east-1',
    credentials: { accessKeyId: 'test', secretAccessKey: 'test' },
    forcePathStyle: true,
    // A retry would hide what the service answered first.
    maxAttempts: 1,
  });
}

async function deleteAll(client: S3Client, bucket: string, prefix: string): Promise<void> {
  for (;;) {
    const { Contents = [] } = await client.send(new ListObjectsV2Command({ Bucket: bucket, Prefix: prefix }));
    if (Contents.length === 0) return;
    const Objects = Contents.map(({ Key }) => ({ Key }));
    await client.send(new DeleteObjectsCommand({ Bucket: bucket, Delete: { Objects, Quiet: true } }));
  }
}
