/** The bucket of a deployment, as the commands read it: on AWS or on the local engine. */
import { createHash } from 'node:crypto';
import { createWriteStream } from 'node:fs';
import { mkdir, rename, rm } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { pipeline } from 'node:stream/promises';
import { GetObjectCommand, paginateListObjectsV2, S3Client } from '@aws-sdk/client-s3';
import type { StatusRequest } from '../../shared/engine/report/status.ts';
import type { Place, StatusAnswer } from '../../shared/lambda/status-answer.ts';
import { createFunctionClient, type Deployment } from './function-client.ts';

export type BucketObject = { key: string; sizeBytes: number; modifiedMs: number };

/** Asks the function `status`. @throws DeploymentError */
export async function findPlace(deployment: Deployment): Promise<Place> {
  const client = await createFunctionClient<StatusRequest, StatusAnswer>('status', isAnswer, deployment);
  try {
    return (await client.ask({})).place;
  } finally {
    client.close();
  }
}

function isAnswer(answer: unknown): answer is StatusAnswer {
  const { place } = (answer ?? {}) as Partial<StatusAnswer>;
  return typeof place?.bucket === 'string' && typeof place.resultPrefix === 'string' && Array.isArray(place.tables);
}

export function openS3({ region }: Pick<Deployment, 'region'>): S3Client {
  return new S3Client(region === undefined ? {} : { region });
}

export async function* listObjects(client: S3Client, bucket: string, prefix: string): AsyncGenerator<BucketObject> {
  for await (const page of paginateListObjectsV2({ client }, { Bucket: bucket, Prefix: prefix }))
    for (const { Key: key = '', Size: sizeBytes = 0, LastModified: modified } of page.Contents ?? [])
      yield { key, sizeBytes, modifiedMs: modified?.getTime() ?? 0 };
}

/** @returns undefined when there is none */
export async function readText(client: S3Client, bucket: string, key: string): Promise<string | undefined> {
  try {
    const { Body: body } = await client.send(new GetObjectCommand({ Bucket: bucket, Key: key }));
    return await body?.transformToString();
  } catch (error) {
    if (error instanceof Error && error.name === 'NoSuchKey') return undefined;
    throw error;
  }
}

/**
 * Copies an object to a file. The file is there whole or not at all.
 * @param path its folders are made
 */
export async function copyToFile(client: S3Client, bucket: string, key: string, path: string): Promise<void> {
  const { Body: body } = await client.send(new GetObjectCommand({ Bucket: bucket, Key: key }));
  if (body === undefined) throw new Error(`S3 answered without a body [key=${key}].`);
  const name = createHash('sha256').update(path).digest('hex').slice(0, 12);
  const unfinished = join(dirname(path), `.${name}.part`);
  await mkdir(dirname(path), { recursive: true });
  try {
    await pipeline(body.transformToWebStream() as unknown as AsyncIterable<Uint8Array>, createWriteStream(unfinished));
    await rename(unfinished, path);
  } finally {
    await rm(unfinished, { force: true });
  }
}
