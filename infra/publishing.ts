/** What publishing adds to a deployment: two functions, which S3 invokes, with their dead-letter queues and roles. */
import type { Level } from '../shared/engine/chain/chain.ts';
import { listPublishLevels } from '../shared/engine/publish/publish-levels.ts';
import { publishTimeoutMs } from '../shared/lambda/event-life.ts';
import { publishSettings } from '../shared/lambda/setting-table.ts';
import type { Deployment } from './deployment.ts';
import { arnOf, bucketName, queueId, ref, roleId } from './names.ts';

/** None when nothing is published: by `publish: false`, or since no level of the chain makes a table. */
export function publishLevelsOf({ chain, parameters }: Pick<Deployment, 'chain' | 'parameters'>): Level[] {
  return parameters.publish ? listPublishLevels(chain) : [];
}

const handlers: Readonly<Record<string, { file: string; memorySize: number }>> = {
  publish: { file: 'publish', memorySize: 512 },
  // It holds a piece, and the file that it becomes. A core's worth of memory is 1,769 MB.
  publishPiece: { file: 'publish-piece', memorySize: 1024 },
};

/** Entries of serverless.yml's `functions:`. */
export function publishFunctions(deployment: Deployment): Record<string, object> {
  const { parameters, retryAttempts } = deployment;
  return Object.fromEntries(
    publishLevelsOf(deployment).map((level) => {
      const handler = handlers[level.function];
      if (handler === undefined) throw new Error(`There is no function ${level.function}.`);
      const entry = {
        handler: `functions/${handler.file}.handler`,
        role: { 'Fn::Sub': `\${${roleId(level.function)}.Arn}` },
        timeout: publishTimeoutMs / 1000,
        memorySize: handler.memorySize,
        environment: {
          [publishSettings.bucket.variable]: bucketName(deployment),
          [publishSettings.deadLetterQueueUrl.variable]: ref(queueId(level, 'dead-letters')),
        },
        maximumRetryAttempts: retryAttempts,
        maximumEventAge: parameters.maximumEventAge,
        destinations: { onFailure: { type: 'sqs', arn: arnOf(queueId(level, 'dead-letters')) } },
      };
      return [level.function, entry];
    }),
  );
}
