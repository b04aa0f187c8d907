/**
 * serverless-offline with serverless-s3-local: a small service of four functions (see its folder), run by the framework's own
 * command. Its S3 is its own, since that is where its events come from. It has no bound on how many functions run at once,
 * tries once, and says nothing when all is done; so each function tells this process what it did.
 */
import { PutObjectCommand, S3Client } from '@aws-sdk/client-s3';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { freePort } from '../children.ts';
import { run } from '../job.ts';
import { serveTool } from '../worker.ts';

/** The key that serverless-s3-local takes. */
const key = 'S3RVER';

await serveTool(async ({ settings, expanded, gaveUp }) => {
  const reports = createServer((request, response) => {
    response.end();
    expanded(Number(request.url?.slice(1)));
  }).listen(0, '127.0.0.1');
  await once(reports, 'listening');

  const s3Port = await freePort();
  const s3Url = `http://127.0.0.1:${s3Port}`;
  const folder = join(settings.dir, 'buckets');
  mkdirSync(folder, { recursive: true });
  const bin = join(import.meta.dirname, '../node_modules/serverless/bin/serverless.js');
  const offline = spawn(process.execPath, [bin, 'offline', 'start'], {
    cwd: join(import.meta.dirname, 'serverless-offline'),
    env: {
      ...process.env,
      BENCH_HTTP_PORT: String(await freePort()),
      BENCH_LAMBDA_PORT: String(await freePort()),
      BENCH_S3_PORT: String(s3Port),
      BENCH_S3_FOLDER: folder,
      BENCH_REPORT_URL: `http://127.0.0.1:${(reports.address() as AddressInfo).port}`,
      BENCH_SETTINGS: JSON.stringify({ ...settings, s3Url, accessKey: key }),
      AWS_REGION: 'us-east-1',
      AWS_ACCESS_KEY_ID: key,
      AWS_SECRET_ACCESS_KEY: key,
      SLS_TELEMETRY_DISABLED: '1',
      SLS_NOTIFICATIONS_MODE: 'off',
      SLS_INTERACTIVE_SETUP_ENABLE: '',
      SLS_SCHEMA_CACHE_BASE_DIR: settings.dir,
    },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  offline.once('exit', (code) => gaveUp(new Error(`serverless offline ended with ${code ?? 'a signal'}.`)));
  await new Promise<void>((resolve) => {
    for (const stream of [offline.stdout, offline.stderr]) {
      stream.setEncoding('utf8').on('data', (text: string) => {
        process.stderr.write(text);
        if (/Function names exposed/.test(text)) resolve();
      });
    }
    offline.once('exit', () => resolve());
  });
  return async (how) => {
    // It keeps nothing of what was under way: after a kill there is nothing to go on with but the seed.
    if (how === 'resume') return;
    const credentials = { accessKeyId: key, secretAccessKey: key };
    const s3 = new S3Client({ endpoint: s3Url, region: 'us-east-1', credentials, forcePathStyle: true });
    await s3.send(new PutObjectCommand({ Bucket: settings.bucket, Key: `seeds/${run}.json`, Body: '{}' }));
  };
});
