/** A run's page as one file, with the figures of now: for a ticket, or `aws s3 presign`. */
import { writeFileSync } from 'node:fs';
import { openDeployment } from '../run/deployment.ts';
import { DeploymentError, type Deployment } from '../run/function-client.ts';
import { UsageError } from '../terminal/options.ts';
import { bundlePage } from './bundle.ts';
import { createRateLook } from './rate-view.ts';
import { resultsOf } from './results-view.ts';
import { createRunLook } from './run-view.ts';
import { placeOf } from './server.ts';

/** @throws DeploymentError when the run can't be looked at; UsageError when the file can't be written */
export async function writeStaticCopy(deployment: Deployment, run: string, file: string): Promise<void> {
  const opened = await openDeployment(deployment);
  try {
    const rate = createRateLook(opened);
    const { look } = createRunLook(run, { deployment: opened, rate, allCalls: undefined });
    const view = await look();
    if (view.report === undefined) throw new DeploymentError(view.problem ?? `The run ${run} could not be looked at.`);
    const { copyOf } = await bundlePage();
    const place = placeOf({ deployment: opened, stage: deployment.stage });
    const results = await resultsOf(run, opened);
    write(file, copyOf({ place, at: view.report.at, rate: await rate(), run: view, results }));
  } finally {
    opened.close();
  }
}

function write(file: string, html: string): void {
  try {
    writeFileSync(file, html);
  } catch (error) {
    const { code = 'unknown' } = error as NodeJS.ErrnoException;
    throw new UsageError(`--html ${file} can not be written (${code}).`);
  }
}
