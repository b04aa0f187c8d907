/**
 * What a fetch function is measured beside: the leaf's work and nothing else, as short as it can be written with the same
 * SDK. Is the result there? If not, fetch it and write it. No retries, checks, logs, metrics, failure notes or dead letters.
 */
import { HeadObjectCommand, NotFound, PutObjectCommand, S3Client } from '@aws-sdk/client-s3';
import { askHermes } from './ask-hermes.ts';

const s3 = new S3Client({});
const Bucket = process.env['BUCKET'] ?? '';

type S3Event = { Records: { s3: { object: { key: string } } }[] };

export async function handler({ Records }: S3Event): Promise<void> {
  for (const record of Records) {
    const key = decodeURIComponent(record.s3.object.key);
    const Key = key.replace(/^data_groups/, 'data');
    try {
      await s3.send(new HeadObjectCommand({ Bucket, Key }));
      continue;
    } catch (error) {
      if (!(error instanceof NotFound)) throw error;
    }
    await s3.send(
      new PutObjectCommand({
        Bucket,
        Key,
        Body: await askHermes(key),
        ContentType: 'application/json',
        IfNoneMatch: '*',
      }),
    );
  }
}
