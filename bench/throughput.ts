/**
 * How fast a whole local run is, against the bare loop: the same tree, the same Hermes, the same local S3, the same SDK, on
 * the same machine in the same sitting, interleaved. Prints each round and the ratio of the medians.
 *
 *     npm run bench -- --troops 20 --warriors 50 --groups 10 --rounds 3
 */
import { execFile } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { parseArgs, promisify } from 'node:util';
import { CreateBucketCommand, PutObjectCommand, S3Client } from '@aws-sdk/client-s3';
import { peoplesCredentials } from '../local/account.ts';
import { startEngine } from '../local/engine.ts';
import { startHermesThread } from '../local/hermes/thread.ts';
import { packageService } from '../local/package/package-service.ts';

const { values } = parseArgs({
  options: {
    troops: { type: 'string', default: '20' },
    warriors: { type: 'string', default: '50' },
    groups: { type: 'string', default: '10' },
    rounds: { type: 'string', default: '3' },
    environments: { type: 'string', default: '4' },
    concurrency: { type: 'string', default: '16' },
  },
});
const tree = { troops: Number(values.troops), warriors: Number(values.warriors), groups: Number(values.groups) };

/** Everything is started anew for each measurement; what is timed begins with the seed and ends when nothing is queued. */
async function measure(kind: 'cascade' | 'bare'): Promise<{ seconds: number; calls: number }> {
  const hermes = await startHermesThread({ ...tree, pageSize: 100 });
  const { packageDir } = await packageService({
    serviceDir: resolve(import.meta.dirname, '..'),
    params: { hermesRate: 'unlimited' },
  });
  const dataDir = mkdtempSync(join(tmpdir(), 's3-cascade-bench-'));
  const engine = await startEngine({
    packageDir,
    dataDir,
    // Lambda's real waits: nothing fails here, and an event that waits its turn is not taken for a retry.
    timeScale: 1,
    maxEnvironments: Number(values.environments),
    environment: { HERMES_URL: hermes.url },
  });
  try {
    const s3 = new S3Client({ endpoint: engine.endpoint, region: 'us-east-1', credentials: peoplesCredentials });
    const startedMs = performance.now();
    if (kind === 'cascade') {
      await s3.send(new PutObjectCommand({ Bucket: engine.bucket, Key: 'seeds/bench.json', Body: '{}' }));
      await engine.idle();
      const seconds = (performance.now() - startedMs) / 1000;
      return { seconds, calls: (await hermes.stats()).calls };
    }
    await s3.send(new CreateBucketCommand({ Bucket: 'bare-loop' }));
    const script = join(import.meta.dirname, 'bare-loop.ts');
    const { stdout } = await promisify(execFile)(process.execPath, [
      script,
      engine.endpoint,
      'bare-loop',
      hermes.url,
      values.concurrency,
    ]);
    return JSON.parse(stdout) as { seconds: number; calls: number };
  } finally {
    await engine.stop();
    await hermes.stop();
    rmSync(dataDir, { recursive: true, force: true });
  }
}

const median = (numbers: number[]): number => numbers.toSorted((a, b) => a - b)[Math.floor(numbers.length / 2)] ?? NaN;

const results = { cascade: [] as number[], bare: [] as number[] };
for (let round = 1; round <= Number(values.rounds); round += 1) {
  for (const kind of ['bare', 'cascade'] as const) {
    const { seconds, calls } = await measure(kind);
    results[kind].push(calls / seconds);
    process.stdout.write(
      `round ${round}  ${kind.padEnd(8)}${calls} calls in ${seconds.toFixed(1)} s: ${Math.round(calls / seconds)} a second\n`,
    );
  }
}
const ratio = median(results.cascade) / median(results.bare);
process.stdout.write(`\ncascade / bare loop, medians of ${values.rounds}: ${ratio.toFixed(2)}\n`);
