/** What an engine is started with, and what its owner gets. */
import type { RequestCounts } from './endpoint.ts';
import type { FolderError } from './folder-lock.ts';
import type { Access } from './iam/identity.ts';
import type { LambdaFaults, LambdaService } from './lambda/service.ts';
import type { Metrics } from './metrics.ts';
import type { NotificationFaults } from './notification-faults.ts';
import type { Queue, ServiceModel } from './package/model.ts';
import type { Properties } from './package/shape.ts';
import type { ObjectCreated } from './s3/object-table.ts';
import type { S3Store } from './s3/store.ts';
import type { LocalSqs } from './sqs/service.ts';

export type LocalAwsOptions = {
  /** Everything is kept there. Default: in memory. */
  dataDir?: string | undefined;
  /** Default 0: any free one. */
  port?: number | undefined;
  /** How many times shorter Lambda's own waits are than on AWS; a whole number. Default 60. */
  timeScale?: number | undefined;
  /** Execution environments at once, of all functions together. Default: 4, or as many as the concurrencies add up to, up to 32. */
  maxEnvironments?: number | undefined;
  /** Set for every function, over what the template says. */
  environment?: Readonly<Record<string, string>> | undefined;
  /** What Secrets Manager holds, by name. */
  secrets?: Readonly<Record<string, string>> | undefined;
  /** Functions reach S3 over the socket, as other clients do, which takes more CPU. Default false. */
  functionsOverHttp?: boolean | undefined;
  /** Names of the metrics whose sums are kept (`metrics.sums`). Default: none. */
  metrics?: readonly string[] | undefined;
  /** Whether schedules fire. Default false. */
  schedules?: boolean | undefined;
  /** Told of every object, inside its transaction: must be quick and must not throw. */
  onObjectCreated?: ((created: ObjectCreated) => void) | undefined;
  /** Told of every line that a function logs, and Lambda's START, end and REPORT: must be quick and must not throw. */
  onLog?: ((functionName: string, line: string) => void) | undefined;
  /**
   * Told of every HTTP request that a function sends to another host than the engine, with its time in milliseconds since 1970:
   * must be quick and must not throw.
   */
  onRequest?: ((functionName: string, atMs: number) => void) | undefined;
  /** Told of everything that a function asks to do, before its role's policies decide: must be quick and must not throw. */
  onAccess?: ((access: Access) => void) | undefined;
  /** What tests make go wrong. */
  notificationFaults?: NotificationFaults | undefined;
  lambdaFaults?: LambdaFaults | undefined;
  /** What tests change of the compiled template before it is read. */
  template?: ((template: Properties) => Properties) | undefined;
};

export type LocalAws = {
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
  /** Sums of the metrics that functions write, of those named in `options.metrics`. */
  readonly metrics: Pick<Metrics, 'sums'>;
  /** Requests since the start, by who made them. */
  counts: () => RequestCounts;
  /**
   * Resolves when nothing is queued, waits, runs or is on its way from S3, and no queue that Lambda polls holds a message:
   * one that failed keeps it waiting until its visibility has brought it back and it is done or dead-lettered.
   */
  idle: () => Promise<void>;
  /** Resolves when the folder can no longer be read or written: then nothing more is done, and `idle` rejects. */
  readonly failure: Promise<FolderError>;
  /** Ends everything; what is not done stays in the folder. */
  stop: () => Promise<void>;
};
