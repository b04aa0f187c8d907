/**
 * The bare handler for a batch: is its part there? If not, read the batch, fetch its items ten at a time, and write a line for each.
 * No retries, checks, logs, metrics, failure notes or dead letters; a failed call fails the batch.
 */
import { GetObjectCommand, HeadObjectCommand, NotFound, PutObjectCommand, S3Client } from '@aws-sdk/client-s3';
import { askForItem } from './ask-hermes.ts';

const s3 = new S3Client({});
const Bucket = process.env['BUCKET'] ?? '';
const callsInFlight = 10;

type S3Event = { Records: { s3: { object: { key: string } } }[] };

export async function handler({ Records }: S3Event): Promise<void> {
  for (const record of Records) {
    const key = decodeURIComponent(record.s3.object.key);
    const Key = key.replace(/^data_groups/, 'data').replace(/\.json$/, '.ndjson');
    try {
      await s3.send(new HeadObjectCommand({ Bucket, Key }));
      continue;
    } catch (error) {
      if (!(error instanceof NotFound)) throw error;
    }
    const { Body: batch } = await s3.send(new GetObjectCommand({ Bucket, Key: key }));
    const waiting = JSON.parse((await batch?.transformToString()) ?? '[]') as { ids: [string, string, string] }[];
    const lines: string[] = [];
    const lane = async (): Promise<void> => {
      for (let next = waiting.pop(); next !== undefined; next = waiting.pop()) {
        const [troop, warrior, group] = next.ids;
        const data = await askForItem(troop, warrior, group);
        const ids = JSON.stringify({ troop, warrior, group, fetched_at: new Date() });
        lines.push(`${ids.slice(0, -1)},"data":${data}}\n`);
      }
    };
    await Promise.all(Array.from({ length: callsInFlight }, lane));
    const Body = lines.join('');
    await s3.send(new PutObjectCommand({ Bucket, Key, Body, ContentType: 'application/x-ndjson', IfNoneMatch: '*' }));
  }
}
