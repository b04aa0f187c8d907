/** When a local run has ended: not when a queue looks empty, but when the service's own sweep says so. */
import { S3Client } from '@aws-sdk/client-s3';
import { createObjectStore } from '../shared/aws/object-store.ts';
import { takeRunReport, type RunReport } from '../shared/core/run-report.ts';
import type { SweepReport, SweptRun } from '../shared/core/sweep.ts';
import { peoplesCredentials } from './account.ts';
import type { Engine } from './engine.ts';

/** Sweeps that find something open and may not re-fire it, one after the other: then nothing more will come of it. */
const mostIdleSweeps = 3;

/**
 * Waits until nothing is queued or runs, sweeps, and goes on while the sweep has something to bring on. It ends, since the
 * sweep re-fires an item a few times and then notes it as failed. On an idle engine no event is alive, so that whatever is
 * open is lost, however young it is.
 * @throws Error when the sweep fails
 */
export async function sweepToTheEnd(engine: Pick<Engine, 'idle' | 'lambda' | 'model'>, run: string): Promise<SweptRun> {
  let idleSweeps = 0;
  for (;;) {
    await engine.idle();
    const swept = await sweepOnce(engine, run);
    idleSweeps = swept.refired > 0 ? 0 : idleSweeps + 1;
    const isOpen = swept.levels.some(({ open }) => open > 0);
    const goesOn = swept.refired > 0 || (isOpen && idleSweeps < mostIdleSweeps);
    if (swept.complete || !goesOn) return swept;
  }
}

async function sweepOnce({ lambda, model }: Pick<Engine, 'lambda' | 'model'>, run: string): Promise<SweptRun> {
  const name = model.functions.find(({ name }) => name.endsWith('-sweep'))?.name;
  if (name === undefined) throw new Error('The service has no sweep function.');
  const { functionError, payload } = await lambda.invoke(name, JSON.stringify({ run, olderThan: 0 }));
  if (functionError !== undefined) throw new Error(`The sweep of ${run} failed: ${payload}`);
  const [swept] = (JSON.parse(payload) as SweepReport).runs;
  if (swept === undefined) throw new Error(`The sweep of ${run} ran out of time.`);
  return swept;
}

/** How a run stands in the middle of it, while every environment may be taken: counted here, by no function. */
export async function lookAtRun({ endpoint, bucket }: Engine, run: string): Promise<RunReport> {
  const client = new S3Client({ endpoint, region: 'us-east-1', credentials: peoplesCredentials });
  try {
    return await takeRunReport({
      run,
      store: createObjectStore(client, bucket),
      now: Date.now,
      lostAfterMs: () => Infinity,
      stoppedUntilMs: 0,
      retryingForMs: 0,
    });
  } finally {
    client.destroy();
  }
}
