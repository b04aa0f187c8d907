/**
 * The local engine: what a packaged service needs of AWS, put together on one loopback endpoint. It owns the wiring: S3's
 * events into Lambda's queue in the transaction of their object, failure destinations into SQS, and the environment that
 * functions get. It refuses a template that asks for more than it has.
 */
import { join } from 'node:path';
import type { DatabaseSync } from 'node:sqlite';
import { setFlagsFromString } from 'node:v8';
import { MessageChannel, type MessagePort } from 'node:worker_threads';
import { openDatabase } from './database.ts';
import { openEndpoint, type Endpoint, type RequestCounts } from './endpoint.ts';
import { lockFolder } from './folder-lock.ts';
import { accountId, functionKeyPrefix, region, withEnvironment } from './account.ts';
import { openFunctionLogs } from './function-logs.ts';
import { serveLambda } from './lambda/http.ts';
import { LambdaService, type LambdaFaults } from './lambda/service.ts';
import { notificationLine, type NotificationFaults } from './notification-faults.ts';
import { TemplateError } from './package/errors.ts';
import { loadPackage } from './package/load-package.ts';
import type { Bucket, Queue, ServiceModel } from './package/model.ts';
import { readTemplate } from './package/template.ts';
import { matchingRules, s3EventBody } from './s3-events.ts';
import { serveS3 } from './s3/http.ts';
import { servePort } from './s3/in-process.ts';
import { S3Store, type ObjectCreated } from './s3/store.ts';
import { serveSecrets, serveSts } from './secrets/service.ts';
import { startSqs, type LocalSqs } from './sqs/service.ts';

export type EngineOptions = {
  /** As `packageService` makes it. */
  packageDir: string;
  /** Everything is kept there; without it, in memory. */
  dataDir?: string | undefined;
  /** 0, the default: any free one. */
  port?: number | undefined;
  /** Lambda's own waits are so many times shorter than on AWS; a whole number. Default 60. */
  timeScale?: number | undefined;
  /** Execution environments at once, of all functions together. Default 4. */
  maxEnvironments?: number | undefined;
  /** Set for every function, over what the template says: `HERMES_URL` and the like. */
  environment?: Readonly<Record<string, string>> | undefined;
  /** What Secrets Manager holds, by name. */
  secrets?: Readonly<Record<string, string>> | undefined;
  /** Functions reach S3 over the socket, as everybody else does, which takes more CPU. Default false. */
  functionsOverHttp?: boolean | undefined;
  /** Whether schedules fire. Default false. */
  schedules?: boolean | undefined;
  /** Told of every object, inside its transaction: must be quick and must not throw. */
  onObjectCreated?: ((created: ObjectCreated) => void) | undefined;
  /** What tests make go wrong. */
  notificationFaults?: NotificationFaults | undefined;
  lambdaFaults?: LambdaFaults | undefined;
};

export type Engine = {
  /** `http://127.0.0.1:PORT`, for AWS_ENDPOINT_URL. */
  readonly endpoint: string;
  readonly port: number;
  /** The one whose objects start functions. */
  readonly bucket: string;
  readonly queues: readonly Queue[];
  readonly model: ServiceModel;
  readonly s3: S3Store;
  readonly lambda: LambdaService;
  readonly sqs: LocalSqs;
  /** Requests since the start, by who made them. */
  counts: () => RequestCounts;
  /** Resolves when nothing is queued, waits, runs or is on its way from S3. */
  idle: () => Promise<void>;
  /** Ends everything; what is not done stays in the folder. */
  stop: () => Promise<void>;
};

/**
 * @throws FolderError, PortError: one line each, for a person
 * @throws TemplateError, PackageError when the service can not be run here
 */
export async function startEngine(options: EngineOptions): Promise<Engine> {
  // Each environment is a thread with a heap of its own: threads that help each other collect only get in each other's way
  // on a few cores (measured: a tenth to a fifth of a run's CPU).
  setFlagsFromString('--single-threaded-gc');
  const { dataDir } = options;
  const closers: (() => Promise<void> | void)[] = [];
  const stop = once(() => closeAll(closers));
  try {
    if (dataDir !== undefined) {
      const lock = lockFolder(dataDir);
      closers.push(() => lock.release());
    }
    const endpoint = await openEndpoint({ port: options.port ?? 0, functionKeyPrefix, onFault });
    closers.push(() => endpoint.stop());
    const { template, stackName, codeDirs } = await loadPackage(options.packageDir);
    const place = { accountId, region, stackName, endpoint: endpoint.url };
    const model = readTemplate(template, place, codeDirs);
    const bucket = triggeringBucket(model);
    const sqs = await startSqs({
      ...place,
      dataDir: dataDir === undefined ? undefined : join(dataDir, 'sqs'),
    });
    closers.push(() => sqs.stop());
    for (const queue of model.queues) await sqs.ensureQueue(queue);
    const db = openDatabase(dataDir === undefined ? undefined : join(dataDir, 'engine.sqlite'));
    closers.push(() => db.close());
    const services = startServices(options, { model, endpoint, sqs, db, closers });
    return {
      endpoint: endpoint.url,
      port: endpoint.port,
      bucket: bucket.name,
      queues: model.queues,
      model,
      ...services,
      sqs,
      counts: () => endpoint.counts(),
      stop,
    };
  } catch (error) {
    await stop();
    throw error;
  }
}

type Parts = {
  model: ServiceModel;
  endpoint: Endpoint;
  sqs: LocalSqs;
  db: DatabaseSync;
  closers: (() => Promise<void> | void)[];
};

function startServices(
  options: EngineOptions,
  { model, endpoint, sqs, db, closers }: Parts,
): Pick<Engine, 's3' | 'lambda' | 'idle'> {
  const line = notificationLine(options.notificationFaults);
  const rules = new Map(model.buckets.map(({ name, notifications }) => [name, notifications]));
  const onObjectCreated = (created: ObjectCreated): void => {
    for (const rule of matchingRules(rules.get(created.bucket) ?? [], created)) {
      const body = s3EventBody(created, rule, region, accountId);
      line.send(created.key, () => lambda.enqueue(rule.target.arn, body));
    }
    options.onObjectCreated?.(created);
  };
  const s3 = new S3Store(db, { onObjectCreated });
  for (const { name } of model.buckets) if (!s3.hasBucket(name)) s3.createBucket(name);

  const logs = openFunctionLogs(options.dataDir === undefined ? undefined : join(options.dataDir, 'logs'), onFault);
  closers.push(() => logs.close());
  const timeScale = options.timeScale ?? 60;
  // The endpoint answers before the first function starts: an earlier run's events are taken up at once.
  // Functions reach S3 without a socket: measured, it takes half the CPU (docs/decisions).
  const openS3Port = (): MessagePort => {
    const { port1, port2 } = new MessageChannel();
    servePort(port1, s3, ({ operation, fault }) => {
      if (fault !== undefined) onFault(fault);
      endpoint.count('functions', 's3', operation);
    });
    return port2;
  };
  const openServices = (): void => {
    endpoint.open({
      s3: async ({ request, response }) => {
        const { operation, fault } = await serveS3(s3, request, response);
        if (fault !== undefined) onFault(fault);
        return operation;
      },
      sqs: ({ request, response }) => {
        sqs.serve(request, response);
        return Promise.resolve(undefined);
      },
      lambda: async ({ request, response }) => (await serveLambda(lambda, request, response)).operation,
      secretsmanager: async ({ request, response }) => {
        await serveSecrets(options.secrets ?? {}, { accountId, region }, request, response);
        return undefined;
      },
      sts: async ({ request, response, accessKeyId }) => {
        await serveSts({ accountId, region }, accessKeyId, request, response);
        return 'GetCallerIdentity';
      },
    });
  };
  const lambda = new LambdaService({
    db,
    functions: model.functions.map((definition) =>
      withEnvironment(definition, { endpoint: endpoint.url, timeScale, more: options.environment }),
    ),
    maxEnvironments: options.maxEnvironments ?? 4,
    timeScale,
    sendMessage: async (queueArn, body, attributes) => {
      endpoint.count('functions', 'sqs', 'SendMessage');
      await sqs.sendMessage(queueArn, body, attributes);
    },
    onLog: logs.write,
    openS3Port: options.functionsOverHttp === true ? undefined : openS3Port,
    faults: options.lambdaFaults,
  });
  closers.push(() => lambda.stop());
  closers.push(() => line.stop());
  openServices();
  if (options.schedules === true) startSchedules(model, lambda);
  return {
    s3,
    lambda,
    async idle() {
      do {
        await line.drained();
        await lambda.idle();
      } while (line.held > 0);
    },
  };
}

function startSchedules(model: ServiceModel, lambda: LambdaService): void {
  for (const { enabled, everyMs, functionArn, input } of model.schedules) {
    if (!enabled || everyMs === undefined) continue;
    lambda.addSchedule({ functionName: functionArn, everyMs, ...(input !== undefined && { input }) });
  }
}

/** @throws TemplateError for triggers that the engine does not have yet, and when no bucket starts anything */
function triggeringBucket(model: ServiceModel): Bucket {
  const [mapping] = model.eventSourceMappings;
  if (mapping !== undefined) {
    const where = `Resources.${mapping.logicalId}`;
    throw new TemplateError('NOT_SUPPORTED', where, 'the local engine has no event source mappings yet');
  }
  for (const { logicalId, notifications } of model.buckets) {
    if (notifications.every(({ target }) => target.kind === 'function')) continue;
    const where = `Resources.${logicalId}.Properties.NotificationConfiguration.QueueConfigurations`;
    throw new TemplateError('NOT_SUPPORTED', where, 'the local engine sends no S3 events to queues yet');
  }
  const bucket = model.buckets.find(({ notifications }) => notifications.length > 0);
  if (bucket === undefined) throw new TemplateError('BAD_TEMPLATE', 'Resources', 'no bucket starts a function');
  return bucket;
}

/** A mistake of the engine's own: whoever asked got an error, and whoever runs it should know. */
function onFault(error: unknown): void {
  process.stderr.write(
    `The local engine: ${error instanceof Error ? (error.stack ?? error.message) : String(error)}\n`,
  );
}

/** All of them, last opened first, also when one fails; then the first failure is thrown. */
async function closeAll(closers: (() => Promise<void> | void)[]): Promise<void> {
  const failures: unknown[] = [];
  for (const close of closers.reverse()) {
    try {
      await close();
    } catch (error) {
      failures.push(error);
    }
  }
  if (failures.length > 0) throw failures[0];
}

function once(work: () => Promise<void>): () => Promise<void> {
  let started: Promise<void> | undefined;
  return () => (started ??= work());
}
