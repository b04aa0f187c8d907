/** The local SQS by itself, over HTTP as the engine serves it, for tests. */
import type { SQSClient } from '@aws-sdk/client-sqs';
import { openEndpoint, type Endpoint } from '../endpoint.ts';
import { startSqs, type LocalSqs } from '../sqs/service.ts';
import { cleanUp, sqsClient } from './queue-engine.ts';

export const arnOf = (name: string): string => `arn:aws:sqs:us-east-1:000000000000:${name}`;

export type ServedSqs = { endpoint: Endpoint; sqs: LocalSqs; client: SQSClient; url: (name: string) => string };

/** @param queues their attributes, by name */
export async function serveSqs(queues: Record<string, Record<string, string>>, dataDir?: string): Promise<ServedSqs> {
  const endpoint = await openEndpoint({ port: 0, functionKeyPrefix: 'LOCAL', onFault: console.error });
  cleanUp(() => endpoint.stop());
  const sqs = await startSqs({ accountId: '000000000000', region: 'us-east-1', endpoint: endpoint.url, dataDir });
  cleanUp(() => sqs.stop());
  const refuse = () => Promise.reject(new Error('not in this test'));
  endpoint.open({
    s3: refuse,
    lambda: refuse,
    secretsmanager: refuse,
    sts: refuse,
    sqs: ({ request, response }) => {
      sqs.serve(request, response);
      return Promise.resolve(undefined);
    },
  });
  const url = (name: string) => `${endpoint.url}/000000000000/${name}`;
  for (const [name, attributes] of Object.entries(queues)) {
    await sqs.ensureQueue({ name, arn: arnOf(name), url: url(name), attributes });
  }
  return { endpoint, sqs, client: sqsClient(endpoint.url), url };
}
