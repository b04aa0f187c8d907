/**
 * What the leaf's function holds in memory when every answer of a full batch is nearly as large as is allowed: 50 answers of a
 * little less than `maxBodyBytes`, each invocation in a process of its own with the heap that a function of its memory has. The
 * API is a server that streams them. Once in ASCII, of which V8 keeps a byte a letter, and once with other letters, of which it
 * keeps two. Measured is the most that the process ever had resident; the results are checked by their lines and sizes.
 *
 *     node bench/memory.ts [--answer-bytes 9900000]
 */
import { once } from 'node:events';
import { createServer, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join, resolve } from 'node:path';
import { pipeline } from 'node:stream/promises';
import { flag, helpOf, readOptions, whole } from '../cli/terminal/options.ts';
import { runCommand, type ExitStatus } from '../cli/terminal/command.ts';
import { packageService, startLocalAws, startStores, type LocalStores } from '../local-aws/index.ts';
import { buildS3Event } from '../shared/aws/event-codec.ts';
import { lastLevel } from '../shared/engine/chain/chain.ts';
import { batchPath, itemKey, partsPrefix, type ItemPath } from '../shared/engine/chain/keys.ts';
import { newEvent } from '../shared/engine/events.ts';
import { batchBody, batchElement, batchMetadata } from '../shared/engine/item/batch.ts';
import chain from '../sources/hermes/chain.ts';
import { reachable, startHandler, type Runnable } from './handlers/handler.ts';
import { endChildrenWithThis, temporaryFolder } from './peers/children.ts';
import { markdown } from './peers/table.ts';

const options = {
  'answer-bytes': whole(
    100,
    10_000_000,
    'of each answer (default 9900000; more than 10 MB is refused by the function)',
  ),
  help: flag('this text'),
};

const leaf = lastLevel(chain);
const bucket = 'bench';
/** What is left of a function's memory for V8's old space: Lambda's runtime gives it nine tenths. */
const heapShare = 0.9;

const letters = { ASCII: 'a', 'other letters': 'ő' };

async function main(): Promise<ExitStatus> {
  const given = readOptions(options, process.argv.slice(2), 'node bench/memory.ts');
  if (given.help === true) {
    process.stdout.write(`${helpOf(options)}\n`);
    return 0;
  }
  const answerBytes = given['answer-bytes'] ?? 9_900_000;
  endChildrenWithThis();
  const { packageDir } = await packageService({
    serviceDir: resolve(import.meta.dirname, '..'),
    params: { source: 'hermes', rate: 'unlimited', trigger: 'direct' },
  });
  const rows: string[][] = [];
  for (const [name, letter] of Object.entries(letters)) {
    const { peakMb, parts, memoryMb } = await measure(packageDir, letter, answerBytes);
    rows.push([
      name,
      String(leaf.batch),
      (answerBytes / 1e6).toFixed(1),
      String(parts),
      String(memoryMb),
      peakMb.toFixed(0),
    ]);
  }
  const header = ['answers', 'items', 'MB each', 'parts written', 'memory of the function, MB', 'process, peak MB'];
  process.stdout.write(`${markdown(header, rows)}\n`);
  return 0;
}

async function measure(packageDir: string, letter: string, answerBytes: number) {
  const folder = temporaryFolder();
  const api = await startApi(answerOf(letter, answerBytes));
  const engine = await startLocalAws(packageDir, { environment: { API_URL: api.url } });
  // Of its own, so that the batch starts nothing.
  const stores = await startStores({ dataDir: join(folder.path, 's3') });
  try {
    const definition = engine.model.functions.find(({ environment }) => environment['LEVEL'] === leaf.name);
    if (definition === undefined) throw new Error('The package has no function of the leaf.');
    const runnable: Runnable = {
      ...definition,
      environment: { ...definition.environment, ...reachable(stores.endpoint), BUCKET: bucket, API_URL: api.url },
    };
    const path = putBatch(stores);
    const handler = await startHandler(runnable, Math.floor(definition.memoryMb * heapShare));
    const event = buildS3Event(newEvent(itemKey(leaf, path), Date.now()), bucket);
    const { peakMb } = await handler.run({ warmUp: [], events: [event] });
    await handler.end();
    return { peakMb, parts: checkParts(stores, path, answerBytes), memoryMb: definition.memoryMb };
  } finally {
    await stores.stop();
    await engine.stop();
    api.close();
    folder.remove();
  }
}

/** A JSON text of so many bytes, in the chunks in which it is sent. */
function answerOf(letter: string, bytes: number): Buffer[] {
  const text = Buffer.from(letter.repeat(Math.floor((bytes - 2) / Buffer.byteLength(letter))));
  const body = Buffer.concat([Buffer.from('"'), text, Buffer.from('"')]);
  const chunkBytes = 65_536;
  return Array.from({ length: Math.ceil(body.length / chunkBytes) }, (_, at) =>
    body.subarray(at * chunkBytes, (at + 1) * chunkBytes),
  );
}

async function startApi(answer: readonly Buffer[]) {
  const send = (response: ServerResponse): void =>
    void pipeline(answer, response.setHeader('content-type', 'application/json')).catch(() => response.destroy());
  const server = createServer((_, response) => send(response)).listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  return {
    url: `http://127.0.0.1:${port}`,
    close: () => {
      server.close();
      server.closeAllConnections();
    },
  };
}

function putBatch({ s3 }: LocalStores): ItemPath {
  const parentIds = leaf.ids.slice(0, -1).map((name) => `${name}-1`);
  const elements = Array.from({ length: leaf.batch }, (_, at) =>
    batchElement(parentIds, { id: `item-${at}`, body: '{}' }),
  );
  const facts = Object.entries(batchMetadata(leaf.batch, {}));
  const headers = Object.fromEntries(facts.map(([name, value]) => [`x-amz-meta-${name}`, value]));
  const path = batchPath({ run: 'bench', ids: parentIds }, 0);
  s3.createBucket(bucket);
  s3.put(bucket, itemKey(leaf, path), Buffer.from(batchBody(elements)), { headers });
  return path;
}

/** @returns how many parts there are @throws Error when they do not hold all results */
function checkParts({ s3 }: LocalStores, path: ItemPath, answerBytes: number): number {
  const parts = s3.list(bucket, { prefix: partsPrefix(leaf, path) }).contents;
  let lines = 0;
  for (const { key } of parts) {
    const body = Buffer.from(s3.get(bucket, key).body);
    for (let at = body.indexOf('\n'); at >= 0; at = body.indexOf('\n', at + 1)) lines += 1;
  }
  const bytes = parts.reduce((sum, { sizeBytes }) => sum + sizeBytes, 0);
  if (lines !== leaf.batch || bytes < leaf.batch * (answerBytes - 10))
    throw new Error(`The parts hold ${lines} lines of ${bytes} bytes together.`);
  return parts.length;
}

await runCommand(main);
process.exit();
