/**
 * The local engine: what a packaged service needs of AWS, put together on one loopback endpoint. S3's events enter Lambda's
 * queue, or the SQS queue that they are for, in the transaction of their object. A template that asks for more than there is
 * here is refused.
 */
import { join } from 'node:path';
import type { DatabaseSync } from 'node:sqlite';
import { setFlagsFromString } from 'node:v8';
import { MessageChannel, type MessagePort } from 'node:worker_threads';
import { openDatabase } from './database.ts';
import { openEndpoint, type Endpoint } from './endpoint.ts';
import { lockFolder, type FolderError } from './folder-lock.ts';
import { accountId, functionKeyPrefix, region, withEnvironment } from './account.ts';
import { readIdentities, type Identities } from './iam/identities.ts';
import { permittedLog } from './iam/log-access.ts';
import { readPolicies } from './iam/template-policies.ts';
import type { FunctionDefinition } from './lambda/definition.ts';
import { LambdaService } from './lambda/service.ts';
import { closeAll, databaseFile, once, onFault, say, type Closer } from './lifecycle.ts';
import { openFunctionLogs } from './logs/function-logs.ts';
import { createMetrics } from './metrics.ts';
import type { LocalAws, LocalAwsOptions } from './local-aws.ts';
import { notificationLine, type NotificationLine } from './notification-faults.ts';
import { TemplateError } from './package/errors.ts';
import { loadPackage, type ServicePackage } from './package/load-package.ts';
import type { Bucket, NotificationRule, ServiceModel } from './package/model.ts';
import { readTemplate } from './package/template.ts';
import { startQueueTriggers } from './queue-triggers.ts';
import { matchingRules, s3EventBody } from './s3-events.ts';
import { servicesOf } from './services.ts';
import { servePort } from './s3/port-server.ts';
import { S3Store, type ObjectCreated } from './s3/store.ts';
import { SqsError } from './sqs/errors.ts';
import { LocalSqs } from './sqs/service.ts';

const place = { accountId, region };
const defaultTimeScale = 60;

/**
 * @param packageDir as `packageService` makes it
 * @throws FolderError, PortError: one line each, for a person
 * @throws TemplateError, PackageError when the service can not be run here
 */
export async function startLocalAws(packageDir: string, options: LocalAwsOptions = {}): Promise<LocalAws> {
  // Each environment is a thread with a heap of its own: threads that help each other collect only get in each other's way
  // on a few cores (measured: a tenth to a fifth of a run's CPU).
  setFlagsFromString('--single-threaded-gc');
  const { dataDir, port = 0 } = options;
  const closers: Closer[] = [];
  const stop = once(() => closeAll(closers));
  try {
    if (dataDir !== undefined) {
      const lock = lockFolder(dataDir);
      closers.push(() => lock.release());
    }
    const failure = Promise.withResolvers<FolderError>();
    const db = openDatabase(databaseFile(dataDir), failure.resolve);
    closers.push(() => db.close());
    const endpoint = await openEndpoint({ port, functionKeyPrefix, onFault });
    closers.push(() => endpoint.stop());
    const { model, identities } = readService(await loadPackage(packageDir), endpoint.url, options);
    const bucket = triggeringBucket(model);
    const services = startServices(options, { model, identities, endpoint, db, closers });
    return {
      endpoint: endpoint.url,
      port: endpoint.port,
      bucket: bucket.name,
      queues: model.queues,
      model,
      ...services,
      counts: () => endpoint.counts(),
      failure: failure.promise,
      idle: () => Promise.race([services.idle(), failure.promise.then((error) => Promise.reject(error))]),
      stop,
    };
  } catch (error) {
    await stop();
    throw error;
  }
}

/** The service as its template describes it, its functions with the variables of this engine. */
function readService(
  { template: compiled, stackName, codeDirs }: ServicePackage,
  endpoint: string,
  options: LocalAwsOptions,
): { model: ServiceModel; identities: Identities } {
  const template = options.template?.(compiled) ?? compiled;
  const here = { ...place, stackName, endpoint };
  const read = readTemplate(template, here, codeDirs);
  const { timeScale = defaultTimeScale, environment: more } = options;
  const functions = read.functions.map((definition) => withEnvironment(definition, { endpoint, timeScale, more }));
  const model = { ...read, functions };
  return { model, identities: readIdentities(model, readPolicies(template, here), options.onAccess) };
}

type Parts = {
  model: ServiceModel;
  identities: Identities;
  endpoint: Endpoint;
  db: DatabaseSync;
  closers: Closer[];
};

function startServices(
  options: LocalAwsOptions,
  { model, identities, endpoint, db, closers }: Parts,
): Pick<LocalAws, 's3' | 'sqs' | 'lambda' | 'metrics' | 'idle'> {
  const { dataDir, timeScale = defaultTimeScale, maxEnvironments = environmentsFor(model) } = options;
  const count = (operation: string): void => endpoint.count('functions', 'sqs', operation);
  const sqs = new LocalSqs(db, { ...place, endpoint: endpoint.url });
  closers.push(() => sqs.stop());
  for (const queue of model.queues) sqs.defineQueue(queue);

  const line = notificationLine(options.notificationFaults);
  const deliver: Deliver = ({ kind, arn }, body) => {
    if (kind === 'function') lambda.enqueue(arn, body);
    else sendOrDrop(sqs, arn, body, count);
  };
  const s3 = new S3Store(db, { onObjectCreated: objectCreatedListener(model, options, { line, deliver }) });
  for (const { name } of model.buckets) if (!s3.hasBucket(name)) s3.createBucket(name);

  const logs = openFunctionLogs(dataDir === undefined ? undefined : join(dataDir, 'logs'), say);
  closers.push(() => logs.close());
  const metrics = createMetrics(...(options.metrics ?? []));
  const keepLog = (functionName: string, line: string): void => {
    metrics.read(functionName, line);
    logs.write(functionName, line);
    options.onLog?.(functionName, line);
  };
  const ports = s3Ports(s3, identities, endpoint);
  const lambda = new LambdaService({
    db,
    functions: model.functions,
    maxEnvironments,
    timeScale,
    sendMessage(queueArn, body, attributes, functionName) {
      const refused = identities.ofFunction(functionName).refusal('sqs:SendMessage', queueArn);
      if (refused !== undefined) throw new Error(refused);
      count('SendMessage');
      sqs.sendMessage(queueArn, body, attributes);
    },
    onLog: permittedLog(keepLog, { identities, place, onLost: say }),
    onRequest: options.onRequest,
    openS3Port: options.functionsOverHttp === true ? undefined : ports.open,
    faults: options.lambdaFaults,
  });
  closers.push(() => lambda.stop());
  const triggers = startQueueTriggers({ model, sqs, lambda, maxEnvironments, timeScale, count, onFault });
  closers.push(() => triggers.stop());
  closers.push(() => line.stop());
  // The first function starts in a later turn: events of an earlier run find the services there.
  endpoint.open(servicesOf({ identities, s3, sqs, lambda, logs, secrets: options.secrets ?? {} }));
  // First of all: an object that is stored while Lambda stops would find it stopped.
  closers.push(() => {
    endpoint.close();
    ports.close();
  });
  if (options.schedules === true) startSchedules(model, lambda);
  return {
    s3,
    sqs,
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

type Deliver = (target: NotificationRule['target'], body: string) => void;

/** S3 drops what the queue does not take. */
function sendOrDrop(sqs: LocalSqs, queueArn: string, body: string, count: (operation: string) => void): void {
  count('SendMessage');
  try {
    sqs.sendMessage(queueArn, body);
  } catch (error) {
    if (!(error instanceof SqsError)) throw error;
    onFault(new Error(`S3 dropped an event for ${queueArn}`, { cause: error }));
  }
}

/** Gives S3's events to their targets, inside the transaction of their object. */
function objectCreatedListener(
  { buckets }: ServiceModel,
  options: LocalAwsOptions,
  ways: { line: NotificationLine; deliver: Deliver },
): (created: ObjectCreated) => void {
  const rules = new Map(buckets.map(({ name, notifications }) => [name, notifications]));
  return (created) => {
    for (const rule of matchingRules(rules.get(created.bucket) ?? [], created)) {
      const body = s3EventBody(created, rule, region, accountId);
      ways.line.send(created.key, () => ways.deliver(rule.target, body));
    }
    options.onObjectCreated?.(created);
  };
}

/**
 * Ways for functions to reach S3 without a socket: measured, it takes half the CPU (docs/decisions).
 * @returns `open` for a new environment, and `close` for all: what a function asks afterwards is never answered
 */
function s3Ports(s3: S3Store, identities: Identities, endpoint: Endpoint) {
  const ports = new Set<MessagePort>();
  const onRequest = ({ operation, fault }: { operation: string; fault?: unknown }): void => {
    if (fault !== undefined) onFault(fault);
    endpoint.count('functions', 's3', operation);
  };
  return {
    open: ({ name }: FunctionDefinition): MessagePort => {
      const { port1, port2 } = new MessageChannel();
      servePort(port1, s3, onRequest, identities.ofFunction(name).refusal);
      ports.add(port1);
      port1.once('close', () => ports.delete(port1));
      return port2;
    },
    close: (): void => {
      for (const port of ports) port.close();
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
