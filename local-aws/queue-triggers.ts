/**
 * The way from an object to a function through a queue: S3's outbox, and the event source mappings that poll. Owns the
 * wiring of the two, and when all of it is quiet.
 */
import type { DatabaseSync } from 'node:sqlite';
import { EventSourceMapping } from './lambda/event-source-mapping.ts';
import type { LambdaService } from './lambda/service.ts';
import { NotificationOutbox } from './notification-outbox.ts';
import type { ServiceModel } from './package/model.ts';
import type { LocalSqs } from './sqs/service.ts';

export type QueueTriggers = {
  /** Joins the transaction that is open. */
  send: (queueArn: string, body: string) => void;
  /** Resolves when all events were sent, moved and polled, and no polled queue holds a message, visible or not. */
  idle: () => Promise<void>;
  readonly isQuiet: boolean;
  stop: () => Promise<void>;
};

export function startQueueTriggers(options: {
  model: ServiceModel;
  db: DatabaseSync;
  sqs: LocalSqs;
  lambda: LambdaService;
  maxEnvironments: number;
  timeScale: number;
  /** Requests of SQS that an account pays for: S3's sends, and Lambda's receives and deletes. */
  count: (operation: string) => void;
  onFault: (error: unknown) => void;
}): QueueTriggers {
  const { model, db, sqs, lambda, maxEnvironments, timeScale, count, onFault } = options;
  const outbox = new NotificationOutbox({
    db,
    send: async (queueArn, body) => {
      count('SendMessage');
      await sqs.sendMessage(queueArn, body);
    },
    onFault,
  });
  const mappings = model.eventSourceMappings
    .filter(({ enabled }) => enabled)
    .map((definition) => {
      const { functionName, sourceArn, maximumConcurrency = Infinity } = definition;
      const { reservedConcurrency = Infinity } = lambda.definition(functionName);
      return new EventSourceMapping({
        definition,
        queue: sqs.poll(sourceArn),
        // More could not run at once. A function that is switched off is tried, and throttles.
        concurrency: Math.min(maximumConcurrency, maxEnvironments, Math.max(1, reservedConcurrency)),
        timeScale,
        invoke: (payload, batch) => lambda.invoke(functionName, payload, batch),
        count,
        onFault,
      });
    });
  return {
    send: (queueArn, body) => outbox.add(queueArn, body),
    async idle() {
      await sqs.moved();
      await outbox.drained();
      for (const mapping of mappings) await mapping.idle();
    },
    get isQuiet() {
      return outbox.isEmpty && mappings.every((mapping) => mapping.isQuiet);
    },
    async stop() {
      for (const mapping of mappings) mapping.stop();
      await outbox.stop();
    },
  };
}
