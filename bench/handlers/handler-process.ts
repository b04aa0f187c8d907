/**
 * A handler in a fresh process, for `bench/cold-start.ts`: imports it, says how long that took until it was ready and how
 * much CPU, and then runs it once for each event that it is sent. Started with `CODE_DIR HANDLER`; the environment is the
 * function's.
 */
import { loadHandler } from '../../local-aws/lambda/handler-module.ts';

export type FromHandler = { initMs: number; initCpuMs: number; residentMb: number } | { cpuMs: number };
export type ToHandler = { warmUp: object[]; events: object[] };

const cpuMs = (since: NodeJS.CpuUsage): number => {
  const { user, system } = process.cpuUsage(since);
  return (user + system) / 1000;
};

const [codeDir = '', setting = ''] = process.argv.slice(2);
const startedMs = performance.now();
const startedCpu = process.cpuUsage();
const handler = await loadHandler(codeDir, setting);
const initMs = performance.now() - startedMs;
const initCpuMs = cpuMs(startedCpu);
process.send?.({ initMs, initCpuMs, residentMb: process.memoryUsage().rss / 2 ** 20 } satisfies FromHandler);

let invocations = 0;
async function invoke(event: object): Promise<void> {
  invocations += 1;
  await handler(event, {
    awsRequestId: `bench-${invocations}`,
    functionName: 'bench',
    functionVersion: '$LATEST',
    memoryLimitInMB: '512',
    invokedFunctionArn: 'arn:aws:lambda:us-east-1:000000000000:function:bench',
    getRemainingTimeInMillis: () => 300_000,
  });
}

process.once('message', ({ warmUp, events }: ToHandler) => {
  void (async () => {
    for (const event of warmUp) await invoke(event);
    const since = process.cpuUsage();
    for (const event of events) await invoke(event);
    process.send?.({ cpuMs: cpuMs(since) / events.length } satisfies FromHandler);
  })();
});
process.on('disconnect', () => process.exit(1));
