/**
 * The only place that touches fauxqs's insides, which its package does not export: its queue store, its persistence and its
 * check of message bodies. `package.json` pins the version exactly; `local-aws/test/sqs.test.ts` and
 * `local-aws/test/sqs-redrive.test.ts` hold what is relied on.
 *
 * Mistakes of 2.4.1 that are mended here:
 * - its check of a body refuses every character above U+FFFF (an emoji in an error message, say), which SQS takes;
 * - with persistence on, a visibility timeout of 0 breaks a NOT NULL rule of its own table, and the message is gone until
 *   the next start;
 * - the move to a dead-letter queue is two transactions, so that a kill between them loses the message; and it counts the
 *   receive that did not take place;
 * - it forgets which queue a dead letter came from, and knows no retention period.
 */
import { PersistenceManager } from '../../node_modules/fauxqs/dist/persistence.js';
import { S3Store } from '../../node_modules/fauxqs/dist/s3/s3Store.js';
import { SnsStore } from '../../node_modules/fauxqs/dist/sns/snsStore.js';
import { SqsStore } from '../../node_modules/fauxqs/dist/sqs/sqsStore.js';
import { DEFAULT_QUEUE_ATTRIBUTES, INVALID_MESSAGE_BODY_CHAR } from '../../node_modules/fauxqs/dist/sqs/sqsTypes.js';
import { DatabaseSync } from 'node:sqlite';
import { buildApp } from 'fauxqs';
import { inTransaction } from '../database.ts';

export { SqsError } from '../../node_modules/fauxqs/dist/common/errors.js';
export { SqsStore, DEFAULT_QUEUE_ATTRIBUTES };
export type Queue = NonNullable<ReturnType<SqsStore['getQueueByArn']>>;
export type Message = Queue['messages'][number] & {
  /** The queue whose redrive policy brought it here. */
  deadLetterSourceArn?: string;
};
export type MessageAttributes = Record<string, { DataType: string; StringValue: string }>;

/**
 * https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/API_SendMessage.html :
 * #x9 | #xA | #xD | #x20 to #xD7FF | #xE000 to #xFFFD | #x10000 to #x10FFFF
 */
const notInABody = /[^\x09\x0A\x0D\x20-\uD7FF\uE000-\uFFFD\u{10000}-\u{10FFFF}]/u;
INVALID_MESSAGE_BODY_CHAR.test = (body) => notInABody.test(body);

class MendedPersistence extends PersistenceManager {
  readonly #db: DatabaseSync;

  constructor(dataDir: string) {
    super(dataDir);
    // Private in its types only. A connection of our own would wait for the other one's transactions.
    const { db } = this as unknown as { db: unknown };
    if (!(db instanceof DatabaseSync)) throw new Error('fauxqs keeps its queues in another way than 2.4.1 does');
    this.#db = db;
    // As the engine's own database: what was committed survives the end of the process, without an fsync a message.
    db.exec(`PRAGMA synchronous = NORMAL;
      CREATE TABLE IF NOT EXISTS dead_letter_sources (
        message_id TEXT PRIMARY KEY REFERENCES sqs_messages (message_id) ON DELETE CASCADE,
        source_arn TEXT NOT NULL
      )`);
  }

  /** All of it is kept, or nothing. */
  atomically<T>(work: () => T): T {
    return inTransaction(this.#db, work);
  }

  override insertMessage(queueName: string, message: Message): void {
    super.insertMessage(queueName, message);
    if (message.deadLetterSourceArn === undefined) return;
    this.#db
      .prepare('INSERT INTO dead_letter_sources VALUES (?, ?)')
      .run(message.messageId, message.deadLetterSourceArn);
  }

  override updateMessageReady(messageId: string): void {
    this.#db
      .prepare('UPDATE sqs_messages SET receipt_handle = NULL, visibility_deadline = NULL WHERE message_id = ?')
      .run(messageId);
  }

  /** A kept queue's URL holds the port of the last time. */
  moveQueues(baseUrl: string): void {
    this.#db.prepare("UPDATE sqs_queues SET url = ? || '/' || name").run(baseUrl);
  }

  restoreDeadLetterSources(queues: Iterable<Queue>): void {
    const sources = new Map(
      this.#db
        .prepare('SELECT message_id, source_arn FROM dead_letter_sources')
        .all()
        .map((row) => [String(row['message_id']), String(row['source_arn'])]),
    );
    for (const queue of queues) {
      for (const message of allMessages(queue)) {
        const deadLetterSourceArn = sources.get(message.messageId);
        if (deadLetterSourceArn !== undefined) Object.assign(message, { deadLetterSourceArn });
      }
    }
  }
}

/** Tells of every change of a queue's messages, whoever makes it, and mends what fauxqs's queues do wrong. */
class MendedStore extends SqsStore {
  readonly #onChange: (queueArn: string) => void;
  readonly #atomically: <T>(work: () => T) => T;

  constructor(onChange: (queueArn: string) => void, atomically: <T>(work: () => T) => T) {
    super();
    this.#onChange = onChange;
    this.#atomically = atomically;
  }

  override createQueue(...definition: Parameters<SqsStore['createQueue']>): Queue {
    const queue = super.createQueue(...definition);
    const changed = (): void => this.#onChange(queue.arn);
    const enqueue = queue.enqueue.bind(queue);
    queue.enqueue = (message) => {
      enqueue(message);
      changed();
    };
    const dequeue = queue.dequeue.bind(queue);
    queue.dequeue = (maxCount, visibilityTimeout, deadLetterQueueOf) => {
      const before = queue.messages.length;
      const received = this.#atomically(() =>
        dequeue(maxCount, visibilityTimeout, (arn) => fromSource(queue.arn, deadLetterQueueOf?.(arn))),
      );
      if (received.length > 0 || queue.messages.length !== before) changed();
      return received;
    };
    const changeVisibility = queue.changeVisibility.bind(queue);
    queue.changeVisibility = (receiptHandle, seconds) => {
      changeVisibility(receiptHandle, seconds);
      changed();
    };
    const deleteMessage = queue.deleteMessage.bind(queue);
    queue.deleteMessage = (receiptHandle) => {
      const wasThere = deleteMessage(receiptHandle);
      if (wasThere) changed();
      return wasThere;
    };
    const purge = queue.purge.bind(queue);
    queue.purge = () => {
      purge();
      changed();
    };
    const processTimers = queue.processTimers.bind(queue);
    queue.processTimers = () => {
      processTimers();
      this.#forgetExpired(queue, changed);
    };
    return queue;
  }

  /** The oldest stands first, but for those that became visible again, which are seen when they get there. */
  #forgetExpired(queue: Queue, changed: () => void): void {
    const keptSinceMs = Date.now() - Number(queue.attributes['MessageRetentionPeriod']) * 1000;
    let oldest = queue.messages[0];
    while (oldest !== undefined && oldest.sentTimestamp < keptSinceMs) {
      queue.messages.shift();
      queue.persistence?.deleteMessage(oldest.messageId);
      changed();
      oldest = queue.messages[0];
    }
  }
}

/** The dead-letter queue, noting where what it gets comes from. The receive that moves a message is none of its receives. */
function fromSource(sourceArn: string, queue: Queue | undefined): Queue | undefined {
  if (queue === undefined) return undefined;
  const noting = Object.create(queue) as Queue;
  noting.enqueue = (message) => {
    const approximateReceiveCount = message.approximateReceiveCount - 1;
    queue.enqueue(Object.assign(message, { deadLetterSourceArn: sourceArn, approximateReceiveCount }));
  };
  return noting;
}

function* allMessages(queue: Queue): Iterable<Message> {
  yield* queue.messages;
  yield* queue.delayedMessages;
  for (const { message } of queue.inflightMessages.values()) yield message;
}

export type FauxqsApp = ReturnType<typeof buildApp>;

export type Fauxqs = {
  app: FauxqsApp;
  store: SqsStore;
  /** What is written inside is kept together, or not at all. */
  atomically: <T>(work: () => T) => T;
  close: () => Promise<void>;
};

/**
 * fauxqs without a socket: the app answers requests that it is handed. With a folder its queues are on disk.
 * @param options.baseUrl what queue URLs begin with: `http://127.0.0.1:4566/000000000000`
 * @param options.onChange told of each queue whose messages changed, perhaps with a transaction open
 */
export function openFauxqs(options: {
  region: string;
  baseUrl: string;
  dataDir: string | undefined;
  onChange: (queueArn: string) => void;
}): Fauxqs {
  const persistence = options.dataDir === undefined ? undefined : new MendedPersistence(options.dataDir);
  const atomically = <T>(work: () => T): T => (persistence === undefined ? work() : persistence.atomically(work));
  const sqsStore = new MendedStore(options.onChange, atomically);
  const snsStore = new SnsStore();
  // With a host it would answer queue URLs like sqs.us-east-1.localhost, which not every resolver knows.
  sqsStore.host = '';
  sqsStore.region = options.region;
  if (persistence !== undefined) {
    // Loaded before the store writes through: creating a queue that is there already would delete its messages.
    persistence.moveQueues(options.baseUrl);
    persistence.loadSqsAndSns(sqsStore, snsStore);
    persistence.restoreDeadLetterSources(sqsStore.allQueues());
    sqsStore.persistence = persistence;
    for (const queue of sqsStore.allQueues()) queue.persistence = persistence;
  }
  const app = buildApp({
    logger: false,
    defaultRegion: options.region,
    stores: { sqsStore, snsStore, s3Store: new S3Store() },
  });
  return {
    app,
    store: sqsStore,
    atomically,
    close: async () => {
      await app.close();
      persistence?.close();
    },
  };
}
