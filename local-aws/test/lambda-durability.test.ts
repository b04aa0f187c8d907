import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { expect, test } from '@jest/globals';
import { openDatabase } from '../database.ts';
import { artifact, functionOf, notes, startGate, startService, temporaryFolder, until } from './lambda-service.ts';

type Note = { what: 'start' | 'end'; id: number; requestId: string };

const processFile = fileURLToPath(new URL('./fixtures/lambda/durable-process.ts', import.meta.url));

test('whatever was queued or running when the process was killed is run after the next start, under the same request id', async () => {
  const folder = temporaryFolder();
  const file = join(folder, 'notes');
  const databaseFile = join(folder, 'engine.db');
  const definition = functionOf('work.record', artifact(), { name: 'durable' });
  const ids = Array.from({ length: 1_000 }, (_, id) => id);
  const child = spawn(
    process.execPath,
    [processFile, JSON.stringify(definition), databaseFile, file, String(ids.length)],
    {
      stdio: ['ignore', 'pipe', 'inherit'],
    },
  );
  await once(child.stdout, 'data');
  await until(() => existsSync(file) && notes<Note>(file).length > 60);
  child.kill('SIGKILL');
  await once(child, 'exit');
  const before = notes<Note>(file);

  const { service } = startService([definition], { db: openDatabase(databaseFile) });
  expect(service.pending()).toBeGreaterThan(0);
  await service.idle();

  const ended = notes<Note>(file).filter(({ what }) => what === 'end');
  expect([...new Set(ended.map(({ id }) => id))].sort((a, b) => a - b)).toEqual(ids);
  const requestIdOf = new Map(before.map(({ id, requestId }) => [id, requestId]));
  for (const { id, requestId } of ended) expect(requestId).toBe(requestIdOf.get(id) ?? requestId);
  // At least once: what was done is not done again but for the last few that were not written down yet.
  const again = ended.length - ids.length;
  expect(again).toBeLessThan(10);
});

test('an event that waits for its next attempt keeps its attempts, its age and its last answer over a restart', async () => {
  const databaseFile = join(temporaryFolder(), 'engine.db');
  const definition = functionOf('trouble.throwsError', artifact());
  const first = startService([definition], { db: openDatabase(databaseFile), timeScale: 1 });
  const requestId = first.service.enqueue(definition.name, '{}');
  await until(() => first.service.stats().errors === 1);
  await first.service.stop();
  const row = first.db.prepare('SELECT * FROM lambda_events').get();
  expect(row).toMatchObject({ request_id: requestId, failed_runs: 1, throttles: 0 });
  expect(Number(row?.age_ms)).toBeGreaterThanOrEqual(60_000);
  expect(row?.last_response).toContain('too wet');
  first.db.close();

  // The minute is over by the time that the second process looks.
  const now = () => Date.now() + 60_000;
  const second = startService([definition], { db: openDatabase(databaseFile), now });
  await second.service.idle();
  expect(second.service.stats()).toMatchObject({ invocations: 2, retries: 2 });
  expect(second.sent).toHaveLength(1);
  expect(JSON.parse(second.sent[0]?.body ?? '')).toMatchObject({
    requestContext: { requestId, approximateInvokeCount: 3 },
  });
});

test('stopping leaves what runs and what waits on disk, and takes no more', async () => {
  const gate = await startGate();
  const { service, db } = startService([functionOf('work.visit', artifact())], { maxEnvironments: 2 });
  for (let n = 0; n < 4; n++) service.enqueue('svc-work-visit', JSON.stringify({ url: gate.url }));
  await gate.reached(2);
  await service.stop();
  await service.stop();
  expect(service.pending()).toBe(4);
  expect(() => service.enqueue('svc-work-visit', '{}')).toThrow('stopped');
  const again = startService([functionOf('work.visit', artifact())], { db });
  gate.open();
  await again.service.idle();
  expect(again.service.stats()).toMatchObject({ invocations: 4, errors: 0 });
});

test('events of a function that is gone stay on disk and keep nothing waiting', async () => {
  const codeDir = artifact();
  const gone = functionOf('work.echo', codeDir, { name: 'gone' });
  const first = startService([gone], { maxEnvironments: 1 });
  await first.service.stop();
  first.db.exec(
    "INSERT INTO lambda_events (function_name, ready_at_ms, request_id, payload) VALUES ('gone', 0, 'r', '{}')",
  );
  const second = startService([functionOf('work.echo', codeDir)], { db: first.db });
  await second.service.idle();
  expect(second.service.pending()).toBe(0);
  const third = startService([gone], { db: first.db });
  await third.service.idle();
  expect(third.service.stats().invocations).toBe(1);
});
