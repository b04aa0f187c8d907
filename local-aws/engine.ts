/**
 * The local engine: what a packaged service needs of AWS, put together on one loopback endpoint. It owns the wiring: S3's
 * events into Lambda's queue in the transaction of their object, failure destinations into SQS, and the environment that
 * functions get, their identity with it. It refuses a template that asks for more than it has.
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
import { readIdentities, type Identities } from './iam/identities.ts';
import { refusedByLambda } from './iam/lambda-access.ts';
import { permittedLog } from './iam/log-access.ts';
import { maySqs } from './iam/sqs-access.ts';
import { readPolicies } from './iam/template-policies.ts';
import type { FunctionDefinition } from './lambda/definition.ts';
import { serveLambda } from './lambda/http.ts';
import { LambdaService, type LambdaFaults } from './lambda/service.ts';
import { createMetrics, type Metrics } from './metrics.ts';
import { notificationLine, type NotificationFaults } from './notification-faults.ts';
import { TemplateError } from './package/errors.ts';
import { loadPackage } from './package/load-package.ts';
import type { Bucket, Queue, ServiceModel } from './package/model.ts';
import type { Properties } from './package/shape.ts';
import { readTemplate } from './package/template.ts';
import { startQueueTriggers } from './queue-triggers.ts';
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
  /** Execution environments at once, of all functions together. Default: 4, or as many as the rate takes, up to 32. */
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
  /** What tests change of the compiled template before it is read. */
  template?: ((template: Properties) => Properties) | undefined;
};

export type Engine = {
  /** `http://127.0.0.1:PORT`, for AWS_ENDPOINT_URL. */
  readonly endpoint: string;
  readonly port: number;
  /** The one whose objects start functions, at once or through a queue. */
  readonly bucket: string;
  readonly queues: readonly Queue[];
  readonly model: ServiceModel;
  readonly s3: S3Store;
  readonly lambda: LambdaService;
  readonly sqs: LocalSqs;
  /** What functions have written of themselves: `WaitedForTurn`, in milliseconds. */
  readonly metrics: Pick<Metrics, 'sums'>;
  /** Requests since the start, by who made them. */
  counts: () => RequestCounts;
  /**
   * Resolves when nothing is queued, waits, runs or is on its way from S3, and no queue that Lambda polls holds a message:
   * one that failed keeps it waiting until its visibility has brought it back and it is done or dead-lettered.
   */
  idle: () => Promise<void>;
  /** Ends everything; what is not done stays in the folder. */
  stop: () => Promise<void>;
};

const defaultTimeScale = 60;

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
    const { template: compiled, stackName, codeDirs } = await loadPackage(options.packageDir);
    const template = options.template?.(compiled) ?? compiled;
    const place = { accountId, region, stackName, endpoint: endpoint.url };
    const read = readTemplate(template, place, codeDirs);
    const functions = read.functions.map((definition) =>
      withEnvironment(definition, {
        endpoint: endpoint.url,
        timeScale: options.timeScale ?? defaultTimeScale,
        more: options.environment,
      }),
    );
    const model = { ...read, functions };
    const identities = readIdentities(model, readPolicies(template, place));
    const bucket = triggeringBucket(model);
    const sqs = await startSqs({
      ...place,
      dataDir: dataDir === undefined ? undefined : join(dataDir, 'sqs'),
    });
    closers.push(() => sqs.stop());
    for (const queue of model.queues) await sqs.ensureQueue(queue);
    const db = openDatabase(dataDir === undefined ? undefined : join(dataDir, 'engine.sqlite'));
    closers.push(() => db.close());
    const services = startServices(options, { model, identities, endpoint, sqs, db, closers });
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
  identities: Identities;
  endpoint: Endpoint;
  sqs: LocalSqs;
  db: DatabaseSync;
  closers: (() => Promise<void> | void)[];
};

function startServices(
  options: EngineOptions,
  { model, identities, endpoint, sqs, db, closers }: Parts,
): Pick<Engine, 's3' | 'lambda' | 'metrics' | 'idle'> {
  const line = notificationLine(options.notificationFaults);
  const rules = new Map(model.buckets.map(({ name, notifications }) => [name, notifications]));
  const onObjectCreated = (created: ObjectCreated): void => {
    for (const rule of matchingRules(rules.get(created.bucket) ?? [], created)) {
      const body = s3EventBody(created, rule, region, accountId);
      const { kind, arn } = rule.target;
      line.send(created.key, () => {
        if (kind === 'queue') triggers.send(arn, body);
        else lambda.enqueue(arn, body);
      });
    }
    options.onObjectCreated?.(created);
  };
  const s3 = new S3Store(db, { onObjectCreated });
  for (const { name } of model.buckets) if (!s3.hasBucket(name)) s3.createBucket(name);

  const logs = openFunctionLogs(options.dataDir === undefined ? undefined : join(options.dataDir, 'logs'), onFault);
  closers.push(() => logs.close());
  const place = { accountId, region };
  const { timeScale = defaultTimeScale, maxEnvironments = environmentsFor(model) } = options;
  const metrics = createMetrics('WaitedForTurn');
  // The endpoint answers before the first function starts: an earlier run's events are taken up at once.
  // Functions reach S3 without a socket: measured, it takes half the CPU (docs/decisions).
  const openS3Port = ({ name }: FunctionDefinition): MessagePort => {
    const { port1, port2 } = new MessageChannel();
    const onRequest = ({ operation, fault }: { operation: string; fault?: unknown }): void => {
      if (fault !== undefined) onFault(fault);
      endpoint.count('functions', 's3', operation);
    };
    servePort(port1, s3, onRequest, identities.ofFunction(name).refusal);
    return port2;
  };
  const openServices = (): void => {
    endpoint.open({
      s3: async ({ request, response, accessKeyId }) => {
        const may = identities.ofKey(accessKeyId)?.refusal;
        const { operation, fault } = await serveS3(s3, request, response, may);
        if (fault !== undefined) onFault(fault);
        return operation;
      },
      sqs: async ({ request, response, accessKeyId }) => {
        const identity = identities.ofKey(accessKeyId);
        if (identity === undefined || (await maySqs(identity, place, request, response))) sqs.serve(request, response);
        return undefined;
      },
      lambda: async ({ request, response, accessKeyId }) => {
        const identity = identities.ofKey(accessKeyId);
        const refused = identity && refusedByLambda(identity, place, request, response);
        return refused ?? (await serveLambda(lambda, request, response)).operation;
      },
      secretsmanager: async ({ request, response, accessKeyId }) => {
        await serveSecrets(options.secrets ?? {}, place, request, response, identities.ofKey(accessKeyId)?.refusal);
        return undefined;
      },
      sts: async ({ request, response, accessKeyId }) => {
        const arn = identities.ofKey(accessKeyId)?.arn ?? `arn:aws:iam::${accountId}:user/local`;
        await serveSts(place, { arn, userId: accessKeyId }, request, response);
        return 'GetCallerIdentity';
      },
    });
  };
  const keepLog = (functionName: string, line: string): void => {
    metrics.read(functionName, line);
    logs.write(functionName, line);
  };
  const lambda = new LambdaService({
    db,
    functions: model.functions,
    maxEnvironments,
    timeScale,
    sendMessage: async (queueArn, body, attributes, functionName) => {
      const refused = identities.ofFunction(functionName).refusal('sqs:SendMessage', queueArn);
      if (refused !== undefined) throw new Error(refused);
      endpoint.count('functions', 'sqs', 'SendMessage');
      await sqs.sendMessage(queueArn, body, attributes);
    },
    onLog: permittedLog(keepLog, { identities, place, onLost: say }),
    openS3Port: options.functionsOverHttp === true ? undefined : openS3Port,
    faults: options.lambdaFaults,
  });
  closers.push(() => lambda.stop());
  const triggers = startQueueTriggers({
    model,
    db,
    sqs,
    lambda,
    maxEnvironments,
    timeScale,
    count: (operation) => endpoint.count('functions', 'sqs', operation),
    onFault,
  });
  closers.push(() => triggers.stop());
  closers.push(() => line.stop());
  openServices();
  if (options.schedules === true) startSchedules(model, lambda);
  return {
    s3,
    lambda,
    metrics,
    async idle() {
      do {
        await line.drained();
        await triggers.idle();
        await lambda.idle();
      } while (line.held > 0 || !triggers.isQuiet);
    },
  };
}

/**
 * Four are as fast as eight on two cores, in half the memory. Environments that keep a rate sleep most of their time: of those
 * there have to be as many as are bounded to keep it.
 */
function environmentsFor({ functions, eventSourceMappings }: ServiceModel): number {
  const reserved = functions.reduce((sum, { reservedConcurrency = 0 }) => sum + reservedConcurrency, 0);
  const mapped = eventSourceMappings.reduce((sum, { maximumConcurrency = 0 }) => sum + maximumConcurrency, 0);
  return Math.min(32, Math.max(4, reserved + mapped));
}

function startSchedules(model: ServiceModel, lambda: LambdaService): void {
  for (const { enabled, everyMs, functionArn, input } of model.schedules) {
    if (!enabled || everyMs === undefined) continue;
    lambda.addSchedule({ functionName: functionArn, everyMs, ...(input !== undefined && { input }) });
  }
}

/** @throws TemplateError when no bucket starts anything */
function triggeringBucket(model: ServiceModel): Bucket {
  const bucket = model.buckets.find(({ notifications }) => notifications.length > 0);
  if (bucket === undefined) throw new TemplateError('BAD_TEMPLATE', 'Resources', 'no bucket starts a function');
  return bucket;
}

/** A mistake of the engine's own: whoever asked got an error, and whoever runs it should know. */
function onFault(error: unknown): void {
  say(error instanceof Error ? (error.stack ?? error.message) : String(error));
}

function say(message: string): void {
  process.stderr.write(`The local engine: ${message}\n`);
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
