/** The event source mappings of a service, each polling its queue, and when all of them are quiet. */
import { EventSourceMapping } from './lambda/event-source-mapping.ts';
import type { LambdaService } from './lambda/service.ts';
import type { ServiceModel } from './package/model.ts';
import type { LocalSqs } from './sqs/service.ts';

export type QueueTriggers = {
  /** Resolves when all messages were moved and polled, and no polled queue holds a message, visible or not. */
  idle: () => Promise<void>;
  readonly isQuiet: boolean;
  stop: () => void;
};

export function startQueueTriggers(options: {
  model: ServiceModel;
  sqs: LocalSqs;
  lambda: LambdaService;
  maxEnvironments: number;
  timeScale: number;
  /** Lambda's requests to SQS, which an account pays for. */
  count: (operation: string) => void;
  onFault: (error: unknown) => void;
}): QueueTriggers {
  const { model, sqs, lambda, maxEnvironments, timeScale, count, onFault } = options;
  const mappings = model.eventSourceMappings
    .filter(({ enabled }) => enabled)
    .map((definition) => {
      const { functionName, sourceArn, maximumConcurrency = Infinity } = definition;
      const { reservedConcurrency = Infinity } = lambda.definition(functionName);
      return new EventSourceMapping({
        definition,
        queue: sqs.poll(sourceArn),
        // More could not run at once. A function that is switched off is called, and throttles.
        concurrency: Math.min(maximumConcurrency, maxEnvironments, Math.max(1, reservedConcurrency)),
        timeScale,
        invoke: (payload, batch) => lambda.invoke(functionName, payload, batch),
        count,
        onFault,
      });
    });
  return {
    async idle() {
      await sqs.moved();
      for (const mapping of mappings) await mapping.idle();
    },
    get isQuiet() {
      return mappings.every((mapping) => mapping.isQuiet);
    },
    stop() {
      for (const mapping of mappings) mapping.stop();
    },
  };
}
