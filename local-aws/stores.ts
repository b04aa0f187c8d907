/** S3 and SQS on one loopback endpoint, without Lambda and without a packaged service. */
import { accountId, functionKeyPrefix, region } from './account.ts';
import { openDatabase } from './database.ts';
import { openEndpoint, type RequestCounts, type Service } from './endpoint.ts';
import { closeAll, databaseFile, onFault, type Closer } from './lifecycle.ts';
import { lockFolder } from './folder-lock.ts';
import type { Queue } from './package/model.ts';
import { S3Store } from './s3/store.ts';
import { s3Service } from './services.ts';
import { LocalSqs } from './sqs/service.ts';

export type LocalStores = {
  /** `http://127.0.0.1:PORT`, for AWS_ENDPOINT_URL. */
  readonly endpoint: string;
  readonly s3: S3Store;
  readonly sqs: LocalSqs;
  /** Creates a queue, or updates the attributes of the one that is there. */
  createQueue: (name: string, attributes?: Readonly<Record<string, string>>) => Queue;
  /** Requests so far. */
  counts: () => RequestCounts;
  /** Stops both; what they hold stays in the folder. */
  stop: () => Promise<void>;
};

/**
 * @param options.dataDir where everything is kept; default: in memory
 * @param options.port default: any free one
 * @param options.lambda answers requests to Lambda; default: they fail
 * @throws FolderError, PortError
 */
export async function startStores(
  options: { dataDir?: string | undefined; port?: number | undefined; lambda?: Service | undefined } = {},
): Promise<LocalStores> {
  const { dataDir, port = 0 } = options;
  const closers: Closer[] = [];
  try {
    if (dataDir !== undefined) {
      const lock = lockFolder(dataDir);
      closers.push(() => lock.release());
    }
    const db = openDatabase(databaseFile(dataDir));
    closers.push(() => db.close());
    const endpoint = await openEndpoint({ port, functionKeyPrefix, onFault });
    closers.push(() => endpoint.stop());
    const s3 = new S3Store(db);
    const sqs = new LocalSqs(db, { endpoint: endpoint.url, accountId, region });
    closers.push(() => sqs.stop());
    const refuse: Service = () => Promise.reject(new Error('Only S3 and SQS are served here.'));
    endpoint.open({
      s3: s3Service(s3, () => undefined),
      async sqs({ request, response }) {
        await sqs.serve(request, response);
        return undefined;
      },
      lambda: options.lambda ?? refuse,
      logs: refuse,
      secretsmanager: refuse,
      sts: refuse,
    });
    return {
      endpoint: endpoint.url,
      s3,
      sqs,
      createQueue(name, attributes = {}) {
        const arn = `arn:aws:sqs:${region}:${accountId}:${name}`;
        const queue = { logicalId: name, name, arn, url: `${endpoint.url}/${accountId}/${name}`, attributes };
        sqs.defineQueue(queue);
        return queue;
      },
      counts: () => endpoint.counts(),
      stop: () => closeAll(closers),
    };
  } catch (error) {
    await closeAll(closers);
    throw error;
  }
}

/** The objects in the folder of an engine that has ended. */
export function openObjects(dataDir: string): { s3: S3Store; close: () => void } {
  const db = openDatabase(databaseFile(dataDir));
  return { s3: new S3Store(db), close: () => db.close() };
}
