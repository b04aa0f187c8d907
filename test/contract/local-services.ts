/** The local S3 and SQS on one loopback endpoint, without the rest of the engine, for contracts over HTTP. */
import { randomUUID } from 'node:crypto';
import { SQSClient } from '@aws-sdk/client-sqs';
import { S3Client } from '@aws-sdk/client-s3';
import { region, startStores } from '../../local-aws/index.ts';

export async function startLocalServices() {
  const stores = await startStores();
  const client = { endpoint: stores.endpoint, region, credentials: { accessKeyId: 'test', secretAccessKey: 'test' } };
  return {
    store: stores.s3,
    s3: new S3Client(client),
    sqs: new SQSClient(client),
    newQueue: (): string => stores.createQueue(`queue-${randomUUID()}`).url,
    stop: () => stores.stop(),
  };
}
