/**
 * The local SQS: fauxqs, answering through the engine's one endpoint and never on a socket of its own.
 * Speaks what fauxqs speaks: AWS JSON 1.0. A query-protocol request (AWS CLI before 1.29.73, 2.13.30) is refused clearly.
 */
import type { IncomingMessage, ServerResponse } from 'node:http';
import { openFauxqs, SqsStore, type MessageAttributes, type Queue } from './fauxqs.ts';

export type QueueDepth = { visible: number; inFlight: number; delayed: number };
export type QueueDefinition = { name: string; arn: string; url: string; attributes: Record<string, string> };

/** fauxqs's handlers refuse a message larger than this; so does what is sent in-process. */
const defaultMaxMessageBytes = 1_048_576;

/** fauxqs would hand these to its SNS. */
const queryProtocolRefusal = `<?xml version="1.0"?><ErrorResponse><Error><Type>Sender</Type><Code>InvalidAction</Code><Message>The local SQS speaks AWS JSON 1.0, not the query protocol; use an SDK or a CLI from 2023-11 or later.</Message></Error></ErrorResponse>`;

export type LocalSqs = {
  /** Answers a request of the SQS service. Resolves when the answer has been handed to the socket. */
  serve: (request: IncomingMessage, response: ServerResponse) => void;
  /** Makes the queue, or brings a kept one up to the definition; its messages stay. */
  ensureQueue: (definition: QueueDefinition) => Promise<void>;
  /** @throws Error when there is no such queue, or the message is larger than SQS takes */
  sendMessage: (queueArn: string, body: string, attributes?: MessageAttributes) => Promise<void>;
  depths: () => Record<string, QueueDepth>;
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
  const { app, store, close } = openFauxqs({ region, dataDir, baseUrl: `${endpoint}/${accountId}` });
  await app.ready();
  return {
    serve(request, response) {
      if (request.headers['content-type']?.includes('x-www-form-urlencoded') === true) {
        response.writeHead(400, { 'content-type': 'text/xml' });
        response.end(queryProtocolRefusal);
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
      kept.setAttributes(definition.attributes);
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
    stop: close,
  };

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
