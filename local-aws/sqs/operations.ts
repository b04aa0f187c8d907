/** SQS's operations, from the members of a request to those of the answer. */
import { invalidValue, SqsError } from './errors.ts';
import { isObject, optionalRecord, optionalText, optionalWhole, requiredText, texts, type Input } from './input.ts';
import { md5OfAttributes, readMessageAttributes } from './message-attributes.ts';
import { md5Of } from './message-store.ts';
import type { MoveTasks } from './move-tasks.ts';
import { messagesARequest } from './polled-queue.ts';
import { mostVisibilitySeconds } from './queue-attributes.ts';
import type { Queue, Queues } from './queues.ts';
import { receive } from './receive.ts';

export type SqsOperations = Readonly<
  Record<string, (input: Input, ending: () => AbortSignal) => object | Promise<object>>
>;

/** A batch's messages together may have as many bytes as one may. */
const mostBatchBytes = 1_048_576;

/** @param baseUrl what queue URLs begin with: `http://127.0.0.1:4566/000000000000` */
export function sqsOperations(queues: Queues, moveTasks: MoveTasks, baseUrl: string): SqsOperations {
  const urlOf = ({ name }: Queue): string => `${baseUrl}/${name}`;
  // Of a URL only the name counts: the engine's port changes from one start to the next.
  const queueOf = (input: Input): Queue => queues.named(requiredText(input, 'QueueUrl').replace(/^.*\//, ''));
  return {
    CreateQueue: (input) => ({
      QueueUrl: urlOf(queues.create(requiredText(input, 'QueueName'), optionalRecord(input, 'Attributes') ?? {})),
    }),
    DeleteQueue: (input) => {
      queues.delete(queueOf(input));
      return {};
    },
    PurgeQueue: (input) => {
      queues.purge(queueOf(input));
      return {};
    },
    GetQueueUrl: (input) => ({ QueueUrl: urlOf(queues.named(requiredText(input, 'QueueName'))) }),
    ListQueues: (input) => {
      const prefix = optionalText(input, 'QueueNamePrefix') ?? '';
      const { page, next } = pageOf(queues.all(), input, ({ name }) => name.startsWith(prefix));
      return { QueueUrls: page.map(urlOf), ...next };
    },
    ListDeadLetterSourceQueues: (input) => {
      const { page, next } = pageOf(queues.sourcesOf(queueOf(input)), input);
      return { queueUrls: page.map(urlOf), ...next };
    },
    GetQueueAttributes: (input) => attributesAnswer(queues, queueOf(input), texts(input, 'AttributeNames')),
    SetQueueAttributes: (input) => {
      queues.change(queueOf(input), optionalRecord(input, 'Attributes') ?? {});
      return {};
    },
    SendMessage: (input) => send(queues, queueOf(input), input),
    SendMessageBatch: (input) => {
      const queue = queueOf(input);
      const entries = batchEntries(input);
      const sizeBytes = entries.reduce((sum, { MessageBody: body }) => sum + Buffer.byteLength(String(body)), 0);
      if (sizeBytes > mostBatchBytes) {
        const message = `Batch requests cannot be longer than ${mostBatchBytes} bytes. You have sent ${sizeBytes} bytes.`;
        throw new SqsError('BatchRequestTooLong', message);
      }
      return inBatch(queues, entries, (entry) => send(queues, queue, entry));
    },
    ReceiveMessage: (input, ending) => receive(queues, queueOf(input), input, ending),
    DeleteMessage: (input) => deleteOne(queues, queueOf(input), input),
    DeleteMessageBatch: (input) => {
      const queue = queueOf(input);
      return inBatch(queues, batchEntries(input), (entry) => deleteOne(queues, queue, entry));
    },
    ChangeMessageVisibility: (input) => changeVisibility(queues, queueOf(input), input),
    ChangeMessageVisibilityBatch: (input) => {
      const queue = queueOf(input);
      return inBatch(queues, batchEntries(input), (entry) => changeVisibility(queues, queue, entry));
    },
    StartMessageMoveTask: (input) => moveTasks.start(input),
    ListMessageMoveTasks: (input) => moveTasks.list(input),
    CancelMessageMoveTask: (input) => moveTasks.cancel(input),
  };
}

function pageOf(queues: readonly Queue[], input: Input, isWanted: (queue: Queue) => boolean = () => true) {
  const most = optionalWhole(input, 'MaxResults', 1, 1_000) ?? 1_000;
  const after = optionalText(input, 'NextToken') ?? '';
  const left = queues.filter((queue) => isWanted(queue) && queue.name > after).sort(byName);
  const page = left.slice(0, most);
  return { page, next: left.length > most ? { NextToken: page.at(-1)?.name } : {} };
}

function byName(one: Queue, other: Queue): number {
  return one.name < other.name ? -1 : 1;
}

function attributesAnswer(queues: Queues, queue: Queue, wanted: readonly string[]): { Attributes: object } {
  const { visible, inFlight, delayed } = queues.depth(queue);
  const all: Record<string, string> = {
    ...queue.attributes,
    QueueArn: queue.arn,
    ApproximateNumberOfMessages: String(visible),
    ApproximateNumberOfMessagesNotVisible: String(inFlight),
    ApproximateNumberOfMessagesDelayed: String(delayed),
    CreatedTimestamp: String(Math.floor(queue.createdAtMs / 1000)),
    LastModifiedTimestamp: String(Math.floor(queue.modifiedAtMs / 1000)),
  };
  const isWanted = ([name]: [string, string]): boolean => wanted.includes('All') || wanted.includes(name);
  return { Attributes: Object.fromEntries(Object.entries(all).filter(isWanted)) };
}

function send(queues: Queues, queue: Queue, input: Input): object {
  for (const name of ['MessageSystemAttributes', 'MessageDeduplicationId']) {
    if (input[name] === undefined) continue;
    throw invalidValue(`The parameter ${name} is not supported by the local SQS for a standard queue.`);
  }
  const attributes = readMessageAttributes(optionalRecord(input, 'MessageAttributes'));
  const body = requiredText(input, 'MessageBody');
  const delaySeconds = optionalWhole(input, 'DelaySeconds', 0, 900);
  const messageId = queues.send(
    queue,
    { body, attributes, groupId: optionalText(input, 'MessageGroupId') },
    delaySeconds,
  );
  const md5 = md5OfAttributes(attributes);
  return {
    MessageId: messageId,
    MD5OfMessageBody: md5Of(body),
    ...(md5 !== undefined && { MD5OfMessageAttributes: md5 }),
  };
}

function deleteOne(queues: Queues, queue: Queue, input: Input): object {
  queues.deleteMessage(queue, receiptHandle(input));
  return {};
}

function changeVisibility(queues: Queues, queue: Queue, input: Input): object {
  const handle = receiptHandle(input);
  const seconds = optionalWhole(input, 'VisibilityTimeout', 0, mostVisibilitySeconds);
  if (seconds === undefined) {
    throw new SqsError('MissingParameter', 'The request must contain the parameter VisibilityTimeout.');
  }
  const outcome = queues.changeVisibility(queue, handle, seconds);
  if (outcome === 'changed') return {};
  const reason =
    outcome === 'gone'
      ? 'Message does not exist or is not available for visibility timeout change'
      : 'Message is not in flight';
  if (outcome === 'visible') throw new SqsError('MessageNotInflight', reason);
  throw invalidValue(`Value ${handle} for parameter ReceiptHandle is invalid. Reason: ${reason}.`);
}

/** @throws SqsError ReceiptHandleIsInvalid for what no receive can have told */
function receiptHandle(input: Input): string {
  const handle = requiredText(input, 'ReceiptHandle');
  if (/^\d{1,15}-[0-9a-f-]{36}$/.test(handle)) return handle;
  throw new SqsError(
    'ReceiptHandleIsInvalid',
    `The input receipt handle "${handle}" is not a valid receipt handle.`,
    404,
  );
}

function batchEntries(input: Input): (Input & { Id: string })[] {
  const { Entries: entries } = input;
  if (!Array.isArray(entries) || entries.length === 0) {
    throw new SqsError('EmptyBatchRequest', 'There should be at least one entry in the request.');
  }
  if (entries.length > messagesARequest) {
    const message = `Maximum number of entries per request are 10. You have sent ${entries.length}.`;
    throw new SqsError('TooManyEntriesInBatchRequest', message);
  }
  const ids = new Set<string>();
  return (entries as unknown[]).map((written) => {
    const entry = isObject(written) ? written : {};
    const id = requiredText(entry, 'Id');
    if (!/^[A-Za-z0-9_-]{1,80}$/.test(id)) {
      const rule = 'A batch entry id can only contain alphanumeric characters, hyphens and underscores';
      throw new SqsError('InvalidBatchEntryId', `${rule}. It can be at most 80 letters long.`);
    }
    if (ids.has(id)) throw new SqsError('BatchEntryIdsNotDistinct', `Id ${id} repeated.`);
    ids.add(id);
    return { ...entry, Id: id };
  });
}

/** Each entry by itself: the failure of one is in the answer, and the others are done. Together they are one transaction. */
function inBatch(queues: Queues, entries: readonly (Input & { Id: string })[], work: (entry: Input) => object): object {
  const successful: object[] = [];
  const failed: object[] = [];
  queues.atomically(() => {
    for (const entry of entries) {
      try {
        successful.push({ Id: entry.Id, ...work(entry) });
      } catch (error) {
        if (!(error instanceof SqsError)) throw error;
        failed.push({ Id: entry.Id, SenderFault: true, Code: error.queryCode, Message: error.message });
      }
    }
  });
  return { Successful: successful, Failed: failed };
}
