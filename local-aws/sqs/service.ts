/**
 * The local SQS: fauxqs, answering through the engine's one endpoint and never on a socket of its own.
 * Speaks what fauxqs speaks: AWS JSON 1.0. A query-protocol request (AWS CLI before 1.29.73, 2.13.30) is refused clearly.
 */
import type { IncomingMessage, ServerResponse } from 'node:http';
import { text } from 'node:stream/consumers';
import {
  DEFAULT_QUEUE_ATTRIBUTES,
  openFauxqs,
  SqsError,
  SqsStore,
  type MessageAttributes,
  type Queue,
} from './fauxqs.ts';
import { moveTaskOperations, MoveTasks } from './move-tasks.ts';
import { polledQueue, type PolledQueue } from './polled-queue.ts';

export type QueueDepth = { visible: number; inFlight: number; delayed: number };
export type QueueDefinition = { name: string; arn: string; url: string; attributes: Record<string, string> };

/** fauxqs's handlers refuse a message larger than this; so does what is sent in-process. */
const defaultMaxMessageBytes = 1_048_576;

/** fauxqs would hand these to its SNS. */
const queryProtocolRefusal = `<?xml version="1.0"?><ErrorResponse><Error><Type>Sender</Type><Code>InvalidAction</Code><Message>The local SQS speaks AWS JSON 1.0, not the query protocol; use an SDK or a CLI from 2023-11 or later.</Message></Error></ErrorResponse>`;

export type LocalSqs = {
  /** Answers a request of the SQS service. */
  serve: (request: IncomingMessage, response: ServerResponse) => void;
  /** Makes the queue, or brings a kept one up to the definition; its messages stay. */
  ensureQueue: (definition: QueueDefinition) => Promise<void>;
  /** @throws Error when there is no such queue, or the message is larger than SQS takes */
  sendMessage: (queueArn: string, body: string, attributes?: MessageAttributes) => Promise<void>;
  depths: () => Record<string, QueueDepth>;
  /** For who polls it without requests. */
  poll: (queueArn: string) => PolledQueue;
  /** Resolves when no StartMessageMoveTask is at work. */
  moved: () => Promise<void>;
  stop: () => Promise<void>;
};

/** @param options.endpoint the engine's address, where clients reach the queues */
export async function startSqs(options: {
  endpoint: string;
  accountId: string;
  region: string;
  dataDir?: string | undefined;
}): Promise<LocalSqs> {
  const { endpoint, accountId, region, dataDir } = options;
  const listeners = new Map<string, (() => void)[]>();
  const { app, store, atomically, close } = openFauxqs({
    region,
    dataDir,
    baseUrl: `${endpoint}/${accountId}`,
    onChange: (queueArn) => {
      for (const listener of listeners.get(queueArn) ?? []) listener();
    },
  });
  let stopped: Promise<void> | undefined;
  const moveTasks = new MoveTasks(store, atomically);
  await app.ready();
  return {
    serve(request, response) {
      if (request.headers['content-type']?.includes('x-www-form-urlencoded') === true) {
        response.writeHead(400, { 'content-type': 'text/xml' });
        response.end(queryProtocolRefusal);
        return;
      }
      const operation = String(request.headers['x-amz-target']).replace('AmazonSQS.', '');
      if (moveTaskOperations.has(operation)) {
        answerMoveTask(operation, request, response).catch((error: unknown) => {
          response.writeHead(500, { 'content-type': 'text/plain' }).end(`The local SQS failed: ${String(error)}\n`);
        });
        return;
      }
      // A client may post to the queue's URL; fauxqs answers on the root only and takes the queue from the body.
      request.url = '/';
      app.routing(request, response);
    },
    async ensureQueue(definition) {
      const kept = store.getQueueByArn(definition.arn);
      if (kept === undefined) {
        await create(definition);
        return;
      }
      // What the definition does not name any more is as for a new queue; an empty redrive policy takes it away.
      kept.setAttributes({ ...DEFAULT_QUEUE_ATTRIBUTES, RedrivePolicy: '', ...definition.attributes });
    },
    sendMessage: (queueArn, body, attributes = {}) =>
      Promise.resolve().then(() => {
        const queue = store.getQueueByArn(queueArn);
        if (queue === undefined) throw new Error(`There is no queue ${queueArn}.`);
        const maxBytes = Number(queue.attributes['MaximumMessageSize'] ?? defaultMaxMessageBytes);
        const sizeBytes = Buffer.byteLength(body) + attributeBytes(attributes);
        if (sizeBytes > maxBytes) {
          throw new Error(`A message of ${sizeBytes} bytes is larger than the ${maxBytes} that ${queueArn} takes.`);
        }
        queue.enqueue(SqsStore.createMessage(body, attributes, delayOf(queue)));
      }),
    depths() {
      store.processAllTimers();
      return Object.fromEntries([...store.allQueues()].map((queue) => [queue.name, depthOf(queue)]));
    },
    poll: (queueArn) =>
      polledQueue(store, queueArn, atomically, (listener) => {
        listeners.set(queueArn, [...(listeners.get(queueArn) ?? []), listener]);
      }),
    moved: () => moveTasks.idle(),
    stop: () => (stopped ??= moveTasks.stop().then(close)),
  };

  async function answerMoveTask(operation: string, request: IncomingMessage, response: ServerResponse): Promise<void> {
    const headers = { 'content-type': 'application/x-amz-json-1.0' };
    try {
      const answer = moveTasks.answer(operation, JSON.parse(await text(request)) as Record<string, unknown>);
      response.writeHead(200, headers).end(JSON.stringify(answer));
    } catch (error) {
      if (!(error instanceof SqsError)) throw error;
      // Clients take the error's name from here; of these operations' errors only this one has the prefix.
      const prefix = error.code === 'UnsupportedOperation' ? 'AWS.SimpleQueueService.' : '';
      response.writeHead(error.statusCode, { ...headers, 'x-amzn-query-error': `${prefix}${error.code};Sender` });
      response.end(JSON.stringify(error));
    }
  }

  /** Through fauxqs's own handler, which checks the attributes as SQS does. */
  async function create({ name, url, attributes }: QueueDefinition): Promise<void> {
    const response = await app.inject({
      method: 'POST',
      url: '/',
      headers: {
        host: new URL(url).host,
        'content-type': 'application/x-amz-json-1.0',
        'x-amz-target': 'AmazonSQS.CreateQueue',
      },
      payload: JSON.stringify({ QueueName: name, Attributes: attributes }),
    });
    if (response.statusCode !== 200) throw new Error(`The queue ${name} can not be made: ${response.body}`);
  }
}

function depthOf(queue: Queue): QueueDepth {
  return {
    visible: Number(queue.getAttribute('ApproximateNumberOfMessages')),
    inFlight: Number(queue.getAttribute('ApproximateNumberOfMessagesNotVisible')),
    delayed: Number(queue.getAttribute('ApproximateNumberOfMessagesDelayed')),
  };
}

function delayOf(queue: Queue): number | undefined {
  const seconds = Number(queue.attributes['DelaySeconds'] ?? 0);
  return seconds > 0 ? seconds : undefined;
}

function attributeBytes(attributes: MessageAttributes): number {
  let sizeBytes = 0;
  for (const [name, { DataType: type, StringValue: value }] of Object.entries(attributes)) {
    sizeBytes += Buffer.byteLength(name) + Buffer.byteLength(type) + Buffer.byteLength(value);
  }
  return sizeBytes;
}
