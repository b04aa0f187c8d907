/** A function's handler in a process of its own, reached as on AWS: over HTTP. */
import { fork } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { peoplesCredentials, region } from '../../local-aws/index.ts';
import type { Done, FromHandler, ToHandler } from './handler-process.ts';

type Environment = Record<string, string>;
export type Runnable = { name: string; codeDir: string; handler: string; environment: Environment };

/** What a function finds in its environment on the local S3 and SQS. */
export function reachable(endpoint: string): Environment {
  return {
    AWS_ENDPOINT_URL: endpoint,
    AWS_REGION: region,
    AWS_ACCESS_KEY_ID: peoplesCredentials.accessKeyId,
    AWS_SECRET_ACCESS_KEY: peoplesCredentials.secretAccessKey,
    AWS_SESSION_TOKEN: '',
    AWS_EC2_METADATA_DISABLED: 'true',
    LAMBDA_TIME_SCALE: '1',
  };
}

/** Starts a handler in a fresh process; it is ready when this resolves. @param heapMb of V8; by default as the machine has it */
export async function startHandler({ codeDir, handler, environment }: Runnable, heapMb?: number) {
  const child = fork(join(import.meta.dirname, 'handler-process.ts'), [codeDir, handler], {
    execArgv: heapMb === undefined ? [] : [`--max-old-space-size=${heapMb}`],
    env: { PATH: process.env['PATH'] ?? '', ...environment },
    // Its log lines are written, as they are on AWS, and not kept.
    stdio: ['ignore', 'ignore', 'inherit', 'ipc'],
  });
  const next = async (): Promise<FromHandler> => {
    const gone = once(child, 'exit').then(() => Promise.reject(new Error(`${handler} ended.`)));
    const [message] = (await Promise.race([once(child, 'message'), gone])) as [FromHandler];
    return message;
  };
  const init = await next();
  if ('cpuMs' in init) throw new Error(`${handler} said something before it was ready.`);
  return {
    init,
    async run(work: ToHandler): Promise<Done> {
      child.send(work);
      const done = await next();
      if (!('cpuMs' in done)) throw new Error(`${handler} was ready twice.`);
      return done;
    },
    async end(): Promise<void> {
      child.removeAllListeners('exit');
      const ended = once(child, 'exit');
      child.kill('SIGKILL');
      await ended;
    },
  };
}
