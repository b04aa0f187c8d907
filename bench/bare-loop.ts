/**
 * The denominator: what a careful person would write in an hour instead. One process, no queue, no retries, no receipts, no
 * conditional writes: it fetches the same tree from the same Hermes and writes the same objects to the same S3 with the same
 * SDK, so many at a time. A thread of its own, beside the S3 that it writes to.
 *
 *     node bench/bare-loop.ts S3_ENDPOINT BUCKET HERMES_URL CONCURRENCY
 *
 * Prints `{"seconds": …, "objects": …, "calls": …}`.
 */
import { PutObjectCommand, S3Client } from '@aws-sdk/client-s3';
import { chain } from '../shared/chain.ts';
import { childKey, resultKey } from '../shared/core/keys.ts';
import type { Page } from '../shared/core/ports.ts';
import { createHermes } from '../shared/hermes/client.ts';

const [endpoint = '', bucket = '', hermesUrl = '', concurrency = '16'] = process.argv.slice(2);
const credentials = { accessKeyId: 'bare', secretAccessKey: 'bare' };
const s3 = new S3Client({
  endpoint,
  region: 'us-east-1',
  credentials,
  requestHandler: { httpAgent: { maxSockets: 64 } },
});
const signal = new AbortController().signal;
let calls = 0;
const hermes = createHermes({
  baseUrl: hermesUrl,
  gate: (call) => {
    calls += 1;
    return call(signal);
  },
  timeoutMs: 60_000,
  maxBodyBytes: 10_000_000,
});

const run = 'bare';
const [troops, warriors, groups, data] = chain;
/** Work that is known and not begun. Depth first, so that it stays short. */
const work: (() => Promise<void>)[] = [];
let objects = 0;
let running = 0;

async function put(key: string, body: string): Promise<void> {
  await s3.send(new PutObjectCommand({ Bucket: bucket, Key: key, Body: body, ContentType: 'application/json' }));
  objects += 1;
}

async function expand(
  pages: AsyncIterable<Page>,
  level: (typeof chain)[number],
  ids: string[],
  next: (id: string) => Promise<void>,
): Promise<void> {
  for await (const { children } of pages) {
    await Promise.all(
      children.map(async ({ id, body }) => {
        await put(childKey(level, { run, ids }, id), body);
        work.push(() => next(id));
      }),
    );
  }
}

work.push(() =>
  expand(hermes.troops(), troops, [], (troop) =>
    expand(hermes.warriors(troop), warriors, [troop], (warrior) =>
      expand(hermes.dataGroups(troop, warrior), groups, [troop, warrior], async (group) => {
        await put(resultKey(data, { run, ids: [troop, warrior, group] }), await hermes.data(troop, warrior, group));
      }),
    ),
  ),
);

const startedMs = performance.now();
await new Promise<void>((resolve, reject) => {
  const begin = (): void => {
    while (running < Number(concurrency) && work.length > 0) {
      running += 1;
      work
        .pop()?.()
        .then(() => {
          running -= 1;
          begin();
        }, reject);
    }
    if (running === 0 && work.length === 0) resolve();
  };
  begin();
});
process.stdout.write(`${JSON.stringify({ seconds: (performance.now() - startedMs) / 1000, objects, calls })}\n`);
process.exit(0);
