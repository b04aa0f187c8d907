/**
 * The only place that touches fauxqs's insides, which its package does not export: its queue store, its persistence and its
 * check of message bodies. `package.json` pins the version exactly; `test/local/sqs.test.ts` holds what is relied on.
 *
 * Two mistakes of 2.4.1 are mended here:
 * - its check of a body refuses every character above U+FFFF (an emoji in an error message, say), which SQS takes;
 * - with persistence on, a visibility timeout of 0 breaks a NOT NULL rule of its own table, and the message is gone until
 *   the next start.
 */
import { PersistenceManager } from '../../node_modules/fauxqs/dist/persistence.js';
import { S3Store } from '../../node_modules/fauxqs/dist/s3/s3Store.js';
import { SnsStore } from '../../node_modules/fauxqs/dist/sns/snsStore.js';
import { SqsStore } from '../../node_modules/fauxqs/dist/sqs/sqsStore.js';
import { INVALID_MESSAGE_BODY_CHAR } from '../../node_modules/fauxqs/dist/sqs/sqsTypes.js';
import { join } from 'node:path';
import { DatabaseSync, type StatementSync } from 'node:sqlite';
import { buildApp } from 'fauxqs';

export { SqsStore };
export type Queue = NonNullable<ReturnType<SqsStore['getQueueByArn']>>;
export type MessageAttributes = Record<string, { DataType: string; StringValue: string }>;

/**
 * https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/API_SendMessage.html :
 * #x9 | #xA | #xD | #x20 to #xD7FF | #xE000 to #xFFFD | #x10000 to #x10FFFF
 */
const notInABody = /[^\x09\x0A\x0D\x20-\uD7FF\uE000-\uFFFD\u{10000}-\u{10FFFF}]/u;
INVALID_MESSAGE_BODY_CHAR.test = (body) => notInABody.test(body);

class MendedPersistence extends PersistenceManager {
  /** A connection of our own to the same file, since fauxqs's is private. */
  readonly #db: DatabaseSync;
  readonly #makeReady: StatementSync;

  constructor(dataDir: string) {
    super(dataDir);
    this.#db = new DatabaseSync(join(dataDir, 'fauxqs.db'));
    this.#makeReady = this.#db.prepare(
      'UPDATE sqs_messages SET receipt_handle = NULL, visibility_deadline = NULL WHERE message_id = ?',
    );
  }

  override updateMessageReady(messageId: string): void {
    this.#makeReady.run(messageId);
  }

  /** A kept queue's URL holds the port of the last time. */
  moveQueues(baseUrl: string): void {
    this.#db.prepare("UPDATE sqs_queues SET url = ? || '/' || name").run(baseUrl);
  }

  override close(): void {
    this.#db.close();
    super.close();
  }
}

export type FauxqsApp = ReturnType<typeof buildApp>;

/**
 * fauxqs without a socket: the app answers requests that it is handed. With a folder its queues are on disk.
 * @param options.baseUrl what queue URLs begin with: `http://127.0.0.1:4566/000000000000`
 */
export function openFauxqs(options: { region: string; baseUrl: string; dataDir: string | undefined }): {
  app: FauxqsApp;
  store: SqsStore;
  close: () => Promise<void>;
} {
  const sqsStore = new SqsStore();
  const snsStore = new SnsStore();
  // With a host it would answer queue URLs like sqs.us-east-1.localhost, which not every resolver knows.
  sqsStore.host = '';
  sqsStore.region = options.region;
  const persistence = options.dataDir === undefined ? undefined : new MendedPersistence(options.dataDir);
  if (persistence !== undefined) {
    // Loaded before the store writes through: creating a queue that is there already would delete its messages.
    persistence.moveQueues(options.baseUrl);
    persistence.loadSqsAndSns(sqsStore, snsStore);
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
    close: async () => {
      await app.close();
      persistence?.close();
    },
  };
}
