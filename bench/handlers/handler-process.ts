/**
 * A handler in a fresh process, as `handler.ts` starts it: imports it, says how long that took until it was ready and how
 * much CPU, and then runs it once for each event that it is sent. Started with `CODE_DIR HANDLER`; the environment is the
 * function's.
 */
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';

/** CPU ms an invocation, and the most that the process ever had resident. */
export type Done = { cpuMs: number; peakMb: number };
export type FromHandler = { initMs: number; initCpuMs: number; residentMb: number } | Done;
export type ToHandler = { warmUp: object[]; events: object[] };

const cpuMs = (since: NodeJS.CpuUsage): number => {
  const { user, system } = process.cpuUsage(since);
  return (user + system) / 1000;
};

type Handler = (event: object, context: object) => Promise<unknown>;

const [codeDir = '', setting = ''] = process.argv.slice(2);

/** Nothing else is loaded with it: what the process weighs is the handler's. */
async function loadHandler(): Promise<Handler> {
  const dot = setting.lastIndexOf('.');
  const path = join(codeDir, setting.slice(0, dot));
  const file = ['.js', '.mjs', '.cjs'].map((extension) => path + extension).find((candidate) => existsSync(candidate));
  if (file === undefined) throw new Error(`There is no handler ${setting} in ${codeDir}.`);
  const exported = (await import(pathToFileURL(file).href)) as Record<string, Handler>;
  const handler = exported[setting.slice(dot + 1)];
  if (handler === undefined) throw new Error(`${file} exports no ${setting.slice(dot + 1)}.`);
  return handler;
}

const startedMs = performance.now();
const startedCpu = process.cpuUsage();
const handler = await loadHandler();
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
    const peakMb = process.resourceUsage().maxRSS / 1024;
    process.send?.({ cpuMs: cpuMs(since) / events.length, peakMb } satisfies FromHandler);
  })();
});
process.on('disconnect', () => process.exit(1));
