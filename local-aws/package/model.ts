/** What a packaged service asks its cloud for, in the engine's own words. No intrinsic is left in it. */
import type { FunctionDefinition } from '../lambda/definition.ts';

/** One row of a bucket's notification configuration. */
export type NotificationRule = {
  /** Stands in the event as `s3.configurationId`. */
  id: string;
  /** `s3:ObjectCreated:*`, or one kind of it. */
  event: string;
  /** Bytes that the key starts and ends with; empty for every key. */
  prefix: string;
  suffix: string;
  target: { kind: 'function' | 'queue'; arn: string };
};

export type Bucket = { logicalId: string; name: string; notifications: NotificationRule[] };

/** Attributes as SQS's `CreateQueue` takes them: every value a text. */
export type Queue = {
  logicalId: string;
  name: string;
  arn: string;
  url: string;
  attributes: Record<string, string>;
};

export type ServiceFunction = FunctionDefinition & {
  /** The role that it runs under; undefined when the role is not of this template. */
  roleLogicalId: string | undefined;
};

/** A queue that Lambda polls for a function. */
export type EventSourceMapping = {
  logicalId: string;
  /** The queue's. */
  sourceArn: string;
  /** Its bare name. */
  functionName: string;
  enabled: boolean;
  batchSize: number;
  /** In AWS's time, before it is divided by the time scale. */
  batchingWindowMs: number;
  /** Invocations of this mapping at once; undefined: as many as there are environments. */
  maximumConcurrency?: number;
  reportsBatchItemFailures: boolean;
};

export type Schedule = {
  logicalId: string;
  expression: string;
  /** undefined for a `cron` expression, which no engine here fires. */
  everyMs: number | undefined;
  enabled: boolean;
  functionArn: string;
  /** The event, as JSON; undefined for the event that EventBridge makes. */
  input: string | undefined;
};

export type Role = { logicalId: string; name: string; arn: string; properties: Record<string, unknown> };

export type ServiceModel = {
  accountId: string;
  region: string;
  stackName: string;
  buckets: Bucket[];
  queues: Queue[];
  functions: ServiceFunction[];
  eventSourceMappings: EventSourceMapping[];
  schedules: Schedule[];
  roles: Role[];
};
