/** A run whose engine is killed with SIGKILL on the way, while events are lost as well. */
import { afterEach, expect, test } from '@jest/globals';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { PutObjectCommand, S3Client } from '@aws-sdk/client-s3';
import { packageService, peoplesCredentials } from '../../local-aws/index.ts';
import { startHermes } from '../../sources/hermes/fake/server.ts';
import type { SweepReport } from '../../shared/engine/recovery/sweep.ts';
import { lossyFaults } from './lossy-faults.ts';
import { expectWholeTree, resultsOf, startWorld } from './world.ts';

const closing: (() => Promise<void> | void)[] = [];
afterEach(async () => {
  for (const close of closing.splice(0).reverse()) await close();
});

const tree = { troops: 5, warriors: 12, groups: 8 };
const loss = { dropShare: 0.02, loseShare: 0.02, seed: 5 };

type Line = { endpoint: string; bucket: string } | { objects: number; isIdle?: boolean };

/**
 * Runs an engine until it has written so many objects, and kills it in the middle of whatever it does. One that has lost all
 * events before that would never come so far: once it has nothing left to do, it is killed, too.
 */
async function runAndKill(
  argument: object,
  { afterObjects, onStart }: { afterObjects: number; onStart?: (endpoint: string, bucket: string) => Promise<unknown> },
) {
  const script = join(import.meta.dirname, 'engine-process.ts');
  const child = spawn(process.execPath, [script, JSON.stringify(argument)], { stdio: ['ignore', 'pipe', 'inherit'] });
  closing.push(() => void child.kill('SIGKILL'));
  const ended = once(child, 'close');
  let isSeeded = onStart === undefined;
  for await (const text of createInterface({ input: child.stdout })) {
    const line = JSON.parse(text) as Line;
    if ('endpoint' in line) void onStart?.(line.endpoint, line.bucket);
    else {
      isSeeded ||= line.objects > 0;
      if (line.objects >= afterObjects || (line.isIdle === true && isSeeded)) break;
    }
  }
  child.kill('SIGKILL');
  expect(await ended).toEqual([null, 'SIGKILL']);
}

test('a run that is killed three times and loses events is swept to the whole tree, and marked only then', async () => {
  const folder = mkdtempSync(join(tmpdir(), 's3-cascade-killed-'));
  closing.push(() => rmSync(folder, { recursive: true, force: true }));
  const dataDir = join(folder, 'data');
  const hermes = await startHermes(tree);
  closing.push(() => hermes.stop());
  const { packageDir } = await packageService({
    serviceDir: join(import.meta.dirname, '../..'),
    params: { source: 'hermes' },
  });
  const argument = { packageDir, dataDir, apiUrl: hermes.url, ...loss };
  await runAndKill(argument, {
    afterObjects: 60,
    onStart(endpoint, bucket) {
      const s3 = new S3Client({ endpoint, region: 'us-east-1', credentials: peoplesCredentials, maxAttempts: 1 });
      closing.push(() => s3.destroy());
      // Its answer may be lost with the engine; the object is not, or there would be no others.
      return s3.send(new PutObjectCommand({ Bucket: bucket, Key: 'seeds/r1.json', Body: '{}' })).catch(() => undefined);
    },
  });
  await runAndKill(argument, { afterObjects: 60 });
  await runAndKill(argument, { afterObjects: 60 });

  const world = await startWorld(tree, { dataDir, ...lossyFaults(loss) });
  closing.push(() => world.stop());
  await world.engine.idle();
  expect(resultsOf(world, 'r1').length).toBeLessThan(480);
  for (let sweeps = 1, isComplete = false; !isComplete; sweeps += 1) {
    expect(sweeps).toBeLessThan(20);
    const { runs } = (await world.invoke('sweep', { olderThan: 0 })) as SweepReport;
    isComplete = runs[0]?.complete === true;
    expect(world.objects('data/r1/_SUCCESS').size).toBe(isComplete ? 1 : 0);
    if (isComplete) expectWholeTree(world, 'r1');
    await world.engine.idle();
  }
  expectWholeTree(world, 'r1');
  expect(world.objects('failures/').size).toBeGreaterThan(0);
  expect(await world.invoke('status', { run: 'r1', fresh: true })).toMatchObject({ complete: true, reasons: [] });
});
