/** The bare handler once more, with its HEAD and PUT sent as s3-cascade sends them (shared/aws/plain-requests.ts). */
import { HeadObjectCommand, NotFound, S3Client } from '@aws-sdk/client-s3';
import { createPlainRequests } from '../../shared/aws/plain-requests.ts';
import { askHermes } from './ask-hermes.ts';

const s3 = new S3Client({});
const bucket = process.env['BUCKET'] ?? '';
const send = createPlainRequests(s3, bucket);

type S3Event = { Records: { s3: { object: { key: string } } }[] };

export async function handler({ Records }: S3Event): Promise<void> {
  for (const record of Records) {
    const itemKey = decodeURIComponent(record.s3.object.key);
    const key = itemKey.replace(/^data_groups/, 'data');
    const head = await send({ method: 'HEAD', key });
    if (head === undefined) await showAddress(key);
    else if (head.status !== 404) continue;
    const headers = { 'content-type': 'application/json', 'if-none-match': '*' };
    const put = await send({ method: 'PUT', key, headers, body: await askHermes(itemKey) });
    if (put?.status !== 200) throw new Error(`S3 answered ${put?.status ?? 'nothing'} for ${key}.`);
  }
}

/** The first request shows where the bucket is. */
async function showAddress(key: string): Promise<void> {
  try {
    await s3.send(new HeadObjectCommand({ Bucket: bucket, Key: key }));
  } catch (error) {
    if (!(error instanceof NotFound)) throw error;
  }
}
