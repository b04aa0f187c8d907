/** The local S3 and SQS on one loopback endpoint, without the rest of the engine, for contracts over HTTP. */
import { randomUUID } from 'node:crypto';
import { SQSClient } from '@aws-sdk/client-sqs';
import { S3Client } from '@aws-sdk/client-s3';
import { openDatabase } from '../../local-aws/database.ts';
import { openEndpoint } from '../../local-aws/endpoint.ts';
import { serveS3 } from '../../local-aws/s3/http.ts';
import { S3Store } from '../../local-aws/s3/store.ts';
import { startSqs } from '../../local-aws/sqs/service.ts';

const accountId = '000000000000';
const region = 'us-east-1';

export async function startLocalServices() {
  const endpoint = await openEndpoint({
    port: 0,
    functionKeyPrefix: 'LOCAL',
    onFault: (fault) => process.emitWarning(String(fault)),
  });
  const sqs = await startSqs({ endpoint: endpoint.url, accountId, region });
  const store = new S3Store(openDatabase());
  const refuse = (): Promise<never> => Promise.reject(new Error('Only S3 and SQS are served here.'));
  endpoint.open({
    s3: async ({ request, response }) => (await serveS3(store, request, response)).operation,
    sqs: ({ request, response }) => {
      sqs.serve(request, response);
      return Promise.resolve(undefined);
    },
    lambda: refuse,
    secretsmanager: refuse,
    sts: refuse,
  });
  const client = { endpoint: endpoint.url, region, credentials: { accessKeyId: 'test', secretAccessKey: 'test' } };
  return {
    store,
    s3: new S3Client(client),
    sqs: new SQSClient(client),
    async newQueue(): Promise<string> {
      const name = `queue-${randomUUID()}`;
      const url = `${endpoint.url}/${accountId}/${name}`;
      await sqs.ensureQueue({ name, arn: `arn:aws:sqs:${region}:${accountId}:${name}`, url, attributes: {} });
      return url;
    },
    async stop() {
      await endpoint.stop();
      await sqs.stop();
    },
  };
}
