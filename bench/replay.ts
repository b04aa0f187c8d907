/**
 * How long a replay takes for 10,000 dead letters, against the bare loop: receives and deletes of the same number of
 * messages with the same SDK, and nothing else. SQS and S3 are the local ones, in a process of their own; its Lambda accepts
 * every event and runs nothing. Each letter is Lambda's own record for a batch that is in the bucket and is open, so that a replay
 * looks at the batch, its parts and its note, and gives it out: requests that the bare loop does not make.
 * Rounds are interleaved. Not measured: what the functions then do.
 *
 *     node bench/replay.ts [--letters 10000] [--rounds 3]
 */
import { fork } from 'node:child_process';
import { once } from 'node:events';
import { parseArgs } from 'node:util';
import { LambdaClient } from '@aws-sdk/client-lambda';
import { DeleteMessageBatchCommand, ReceiveMessageCommand, SQSClient } from '@aws-sdk/client-sqs';
import { S3Client } from '@aws-sdk/client-s3';
import { peoplesCredentials, region, startStores } from '../local-aws/index.ts';
import { createMessageQueue } from '../shared/aws/message-queue.ts';
import { createObjectStore } from '../shared/aws/object-store.ts';
import { createFunctionSink } from '../shared/aws/refire.ts';
import { lastLevel } from '../shared/engine/chain/chain.ts';
import { batchPath, itemKey } from '../shared/engine/chain/keys.ts';
import chain from '../sources/hermes/chain.ts';
import { batchMetadata } from '../shared/engine/item/batch.ts';
import { replay } from '../shared/engine/recovery/replay.ts';
import { destinationRecord } from './dead-letters.ts';
import { median } from './peers/table.ts';

const { values } = parseArgs({
  options: {
    letters: { type: 'string', default: '10000' },
    rounds: { type: 'string', default: '3' },
    /** Given by this program to itself. */
    serve: { type: 'boolean', default: false },
  },
});
const letters = Number(values.letters);
const bucket = 'bench';
const level = lastLevel(chain);
const lanes = 4;

type Ready = { endpoint: string; queueUrl: string };

/** The services, with so many items in the bucket and a dead letter for each on the queue. */
async function serve(): Promise<Ready> {
  const stores = await startStores({
    async lambda({ request, response }) {
      request.resume();
      await once(request, 'end');
      response.writeHead(202).end();
      return 'Invoke';
    },
  });
  stores.s3.createBucket(bucket);
  const queue = stores.createQueue('letters');
  const facts = Object.entries(batchMetadata(level.batch, {}));
  const headers = Object.fromEntries(facts.map(([name, value]) => [`x-amz-meta-${name}`, value]));
  for (let number = 0; number < letters; number += 1) {
    const key = itemKey(level, batchPath({ run: 'bench', ids: ['troop', String(number)] }, 0));
    stores.s3.put(bucket, key, Buffer.from('[]'), { headers });
    stores.sqs.sendMessage(queue.arn, destinationRecord(bucket, key));
  }
  return { endpoint: stores.endpoint, queueUrl: queue.url };
}

/** As the replay function makes them. */
function clientOf(endpoint: string) {
  const maxSockets = 200;
  return {
    endpoint,
    region,
    credentials: peoplesCredentials,
    requestHandler: { httpAgent: { maxSockets }, httpsAgent: { maxSockets } },
  };
}

async function runReplay({ endpoint, queueUrl }: Ready): Promise<number> {
  const client = clientOf(endpoint);
  const report = await replay(
    {},
    {
      levels: [
        {
          level,
          queue: createMessageQueue(new SQSClient(client), { queueUrl, bucket }),
          refire: createFunctionSink(new LambdaClient(client), { functionName: 'bench', bucket }),
        },
      ],
      store: createObjectStore(new S3Client(client), bucket),
      clock: { now: Date.now, wait: (ms) => new Promise((resolve) => setTimeout(resolve, ms)) },
      log: { info: () => undefined, warn: () => undefined, error: () => undefined },
      maxReplays: 3,
      retryingForMs: 0,
      deadlineMs: Date.now() + 900_000,
    },
  );
  return report.replayed / level.batch;
}

/** Receives and deletes in tens, as many side by side as replay does. */
async function runBareLoop({ endpoint, queueUrl }: Ready): Promise<number> {
  const sqs = new SQSClient(clientOf(endpoint));
  let deleted = 0;
  const lane = async (): Promise<void> => {
    for (;;) {
      const { Messages: messages = [] } = await sqs.send(
        new ReceiveMessageCommand({
          QueueUrl: queueUrl,
          MaxNumberOfMessages: 10,
          VisibilityTimeout: 900,
          WaitTimeSeconds: 1,
          MessageAttributeNames: ['All'],
          MessageSystemAttributeNames: ['SentTimestamp'],
        }),
      );
      if (messages.length === 0) return;
      const entries = messages.map(({ ReceiptHandle: handle }, index) => ({
        Id: String(index),
        ReceiptHandle: handle,
      }));
      await sqs.send(new DeleteMessageBatchCommand({ QueueUrl: queueUrl, Entries: entries }));
      deleted += messages.length;
    }
  };
  await Promise.all(Array.from({ length: lanes }, lane));
  return deleted;
}

async function measure(work: (ready: Ready) => Promise<number>): Promise<number> {
  const services = fork(import.meta.filename, ['--serve', '--letters', values.letters]);
  try {
    const [ready] = (await once(services, 'message')) as [Ready];
    const startedMs = performance.now();
    const count = await work(ready);
    const seconds = (performance.now() - startedMs) / 1000;
    if (count !== letters) throw new Error(`${count} letters were dealt with, not ${letters}.`);
    return seconds;
  } finally {
    services.kill();
  }
}

if (values.serve) {
  process.send?.(await serve());
} else {
  const seconds = { 'bare loop': [] as number[], replay: [] as number[] };
  for (let round = 1; round <= Number(values.rounds); round += 1) {
    for (const [name, work] of [['bare loop', runBareLoop] as const, ['replay', runReplay] as const]) {
      const took = await measure(work);
      seconds[name].push(took);
      const perSecond = Math.round(letters / took);
      process.stdout.write(
        `round ${round}  ${name.padEnd(10)}${letters} letters in ${took.toFixed(1)} s: ${perSecond} a second\n`,
      );
    }
  }
  const ratio = median(seconds.replay) / median(seconds['bare loop']);
  process.stdout.write(
    `\nreplay takes ${ratio.toFixed(1)} times as long as the bare loop, medians of ${values.rounds}\n`,
  );
  process.exit(0);
}
