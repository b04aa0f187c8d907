/** When a local run has ended: not when a queue looks empty, but when the service's own sweep says so. */
import { setTimeout as wait } from 'node:timers/promises';
import { S3Client } from '@aws-sdk/client-s3';
import { createObjectStore } from '../../shared/aws/object-store.ts';
import { takeRunReport, type RunReport } from '../../shared/engine/report/run-report.ts';
import type { SweepReport, SweptRun } from '../../shared/engine/recovery/sweep.ts';
import type { RateReport } from '../../shared/engine/recovery/apply-rate.ts';
import type { Chain } from '../../shared/engine/chain/chain.ts';
import { takeCensus } from '../../shared/engine/report/census.ts';
import { type LocalAws, peoplesCredentials, region } from '../../local-aws/index.ts';

/** Sweeps in a row that find something open and may not re-fire it: then it stays open. */
const mostIdleSweeps = 3;

/** While calls are paused or frozen, it is checked this often whether they may continue. */
const pauseLookMs = 500;

type Running = Pick<LocalAws, 'idle' | 'lambda' | 'model' | 'sqs'>;

/**
 * Waits until nothing is queued or runs, nor waits for calls to be allowed again, then sweeps; and again while the sweep
 * re-fires something. It ends, since the sweep re-fires an item a few times and then notes it as failed. On an idle engine no
 * event is alive, so that every open item is lost, however young it is.
 * @throws Error when the sweep fails
 */
export async function sweepToTheEnd(engine: Running, run: string): Promise<SweptRun> {
  let idleSweeps = 0;
  for (;;) {
    await idleWithoutWaiting(engine);
    const swept = await sweepOnce(engine, run);
    idleSweeps = swept.refired > 0 ? 0 : idleSweeps + 1;
    const isOpen = swept.levels.some(({ open }) => open > 0);
    const mayProgress = swept.refired > 0 || (isOpen && idleSweeps < mostIdleSweeps);
    if (swept.complete || !mayProgress) return swept;
  }
}

/** As its schedule would, the rate is asked to give items back that waited; until there are none. */
async function idleWithoutWaiting(engine: Running): Promise<void> {
  for (;;) {
    await engine.idle();
    if (!Object.entries(engine.sqs.depths()).some(([queue, { visible }]) => queue.endsWith('-waiting') && visible > 0))
      return;
    const { resumed } = (await invoke(engine, 'rate', {})) as RateReport;
    if (resumed === 0) await wait(pauseLookMs);
  }
}

async function sweepOnce(engine: Running, run: string): Promise<SweptRun> {
  const [swept] = ((await invoke(engine, 'sweep', { run, olderThan: 0 })) as SweepReport).runs;
  if (swept === undefined) throw new Error(`The sweep of ${run} ran out of time.`);
  return swept;
}

/** @throws Error when there is no such function, or it fails */
async function invoke({ lambda, model }: Running, functionName: string, input: object): Promise<unknown> {
  const name = model.functions.find(({ name }) => name.endsWith(`-${functionName}`))?.name;
  if (name === undefined) throw new Error(`The service has no function ${functionName}.`);
  const { functionError, payload } = await lambda.invoke(name, JSON.stringify(input));
  if (functionError !== undefined) throw new Error(`The function ${functionName} failed: ${payload}`);
  return JSON.parse(payload);
}

/** How a run stands in the middle of it, while every environment may be taken: counted here, by no function. */
export async function lookAtRun({ endpoint, bucket }: LocalAws, chain: Chain, run: string): Promise<RunReport> {
  const client = new S3Client({ endpoint, region, credentials: peoplesCredentials });
  try {
    const census = takeCensus(chain, run, createObjectStore(client, bucket));
    return await takeRunReport(run, census, {
      now: Date.now,
      lostAfterMs: () => Infinity,
      stoppedUntilMs: 0,
      retryingForMs: 0,
    });
  } finally {
    client.destroy();
  }
}
