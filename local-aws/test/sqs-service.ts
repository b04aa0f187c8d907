/** The local SQS by itself, over HTTP as the engine serves it, for tests. */
import type { SQSClient } from '@aws-sdk/client-sqs';
import { openEndpoint, type Endpoint } from '../endpoint.ts';
import { openDatabase } from '../database.ts';
import { databaseFile } from '../lifecycle.ts';
import { LocalSqs } from '../sqs/service.ts';
import { cleanUp, sqsClient } from './queue-engine.ts';

export const arnOf = (name: string): string => `arn:aws:sqs:us-east-1:000000000000:${name}`;

export type ServedSqs = { endpoint: Endpoint; sqs: LocalSqs; client: SQSClient; url: (name: string) => string };

/** @param queues their attributes, by name */
export async function serveSqs(queues: Record<string, Record<string, string>>, dataDir?: string): Promise<ServedSqs> {
  const endpoint = await openEndpoint({ port: 0, functionKeyPrefix: 'LOCAL', onFault: console.error });
  cleanUp(() => endpoint.stop());
  const db = openDatabase(databaseFile(dataDir));
  cleanUp(() => db.close());
  const sqs = new LocalSqs(db, { accountId: '000000000000', region: 'us-east-1', endpoint: endpoint.url });
  cleanUp(() => sqs.stop());
  const refuse = () => Promise.reject(new Error('not in this test'));
  endpoint.open({
    s3: refuse,
    lambda: refuse,
    logs: refuse,
    secretsmanager: refuse,
    sts: refuse,
    async sqs({ request, response }) {
      await sqs.serve(request, response);
      return undefined;
    },
  });
  const url = (name: string) => `${endpoint.url}/000000000000/${name}`;
  for (const [name, attributes] of Object.entries(queues)) {
    sqs.defineQueue({ name, attributes });
  }
  return { endpoint, sqs, client: sqsClient(endpoint.url), url };
}
