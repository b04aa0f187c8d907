import { join } from 'node:path';
import { expect, test } from '@jest/globals';
import { inTransaction } from '../database.ts';
import { artifact, functionOf, notes, startGate, startService, temporaryFolder, until } from './lambda-service.ts';

type Note = { what: 'start' | 'end'; id: number; requestId: string; threadId: number };

/** How many ran at once at most, by what they wrote. */
function mostAtOnce(written: readonly Note[]): number {
  let now = 0;
  let most = 0;
  for (const { what } of written) {
    now += what === 'start' ? 1 : -1;
    most = Math.max(most, now);
  }
  return most;
}

test('an environment takes one invocation at a time, and all together never exceed the bound', async () => {
  const file = join(temporaryFolder(), 'notes');
  const codeDir = artifact();
  const functions = ['a', 'b', 'c', 'd'].map((name) => functionOf('work.record', codeDir, { name }));
  const { service } = startService(functions, { maxEnvironments: 3 });
  for (let id = 0; id < 60; id++) service.enqueue(functions[id % 4]?.name ?? '', JSON.stringify({ file, id }));
  await service.idle();
  const written = notes<Note>(file);
  expect(written).toHaveLength(120);
  expect(mostAtOnce(written)).toBeLessThanOrEqual(3);
  for (const threadId of new Set(written.map((note) => note.threadId))) {
    expect(mostAtOnce(written.filter((note) => note.threadId === threadId))).toBe(1);
  }
});

test('several environments of one function do work side by side', async () => {
  const gate = await startGate();
  const { service } = startService([functionOf('work.visit', artifact())], { maxEnvironments: 3 });
  for (let n = 0; n < 5; n++) service.enqueue('svc-work-visit', JSON.stringify({ url: gate.url }));
  await gate.reached(3);
  expect(service.stats().byFunction['svc-work-visit']).toMatchObject({ running: 3, queued: 2 });
  expect(service.pending()).toBe(5);
  gate.open();
  await service.idle();
  expect(service.stats()).toMatchObject({ coldStarts: 3, throttles: 0, invocations: 5 });
});

test('events wait their turn in the order they came, each run once', async () => {
  const file = join(temporaryFolder(), 'notes');
  const { service } = startService([functionOf('work.record', artifact())], { maxEnvironments: 1 });
  const ids = Array.from({ length: 200 }, (_, id) => id);
  const requestIds = ids.map((id) => service.enqueue('svc-work-record', JSON.stringify({ file, id })));
  await service.idle();
  const started = notes<Note>(file).filter(({ what }) => what === 'start');
  expect(started.map(({ id }) => id)).toEqual(ids);
  expect(started.map(({ requestId }) => requestId)).toEqual(requestIds);
  expect(service.stats()).toMatchObject({ coldStarts: 1, throttles: 0 });
});

test('no environment is started before it is needed', async () => {
  const { service } = startService([functionOf('work.echo', artifact())], { maxEnvironments: 8 });
  for (let n = 0; n < 10; n++) {
    service.enqueue('svc-work-echo', String(n));
    await service.idle();
  }
  expect(service.stats().coldStarts).toBe(1);
});

test('events that one environment soon has done start no other one', async () => {
  const { service, db } = startService([functionOf('work.echo', artifact())], { maxEnvironments: 8 });
  inTransaction(db, () => {
    for (let n = 0; n < 20; n++) service.enqueue('svc-work-echo', String(n));
  });
  await service.idle();
  expect(service.stats()).toMatchObject({ invocations: 20, coldStarts: 1 });
});

test('callers that wait for their answers each get an environment at once', async () => {
  const gate = await startGate();
  const { service } = startService([functionOf('work.visit', artifact())], { maxEnvironments: 8 });
  const calls = [1, 2, 3].map(() => service.invoke('svc-work-visit', JSON.stringify({ url: gate.url })));
  await gate.reached(3);
  expect(service.stats().coldStarts).toBe(3);
  gate.open();
  await Promise.all(calls);
});

test('a function whose environments are all idle gives one up to a function that has none', async () => {
  const codeDir = artifact();
  const functions = ['a', 'b', 'c'].map((name) => functionOf('work.echo', codeDir, { name }));
  const { service } = startService(functions, { maxEnvironments: 1 });
  for (const name of ['a', 'b', 'c', 'a']) expect((await service.invoke(name, '1')).payload).toBe('1');
  expect(service.stats().coldStarts).toBe(4);
});

test('two functions that share one environment do not take it from each other with every event', async () => {
  const codeDir = artifact();
  const functions = ['a', 'b'].map((name) => functionOf('work.echo', codeDir, { name }));
  const { service, db } = startService(functions, { maxEnvironments: 1 });
  inTransaction(db, () => {
    for (let n = 0; n < 200; n++) service.enqueue(n % 2 === 0 ? 'a' : 'b', String(n));
  });
  await service.idle();
  expect(service.stats().invocations).toBe(200);
  expect(service.stats().coldStarts).toBeLessThan(20);
});

test('a function gets its turn though another one always has more to do', async () => {
  const gate = await startGate();
  const codeDir = artifact();
  const functions = [functionOf('work.record', codeDir, { name: 'busy' }), functionOf('work.visit', codeDir)];
  const { service } = startService(functions, { maxEnvironments: 2 });
  const file = join(temporaryFolder(), 'notes');
  const more = () => service.enqueue('busy', JSON.stringify({ file, id: 0 }));
  for (let n = 0; n < 20; n++) more();
  await until(() => service.stats().invocations > 2);
  service.enqueue('svc-work-visit', JSON.stringify({ url: gate.url }));
  await until(() => {
    if (service.pending('busy') < 20) more();
    return gate.waiting() === 1;
  });
  expect(service.pending('busy')).toBeGreaterThan(0);
  gate.open();
  await service.idle();
});

test('a direct call is not kept waiting behind a long queue', async () => {
  const codeDir = artifact();
  const functions = [functionOf('work.record', codeDir, { name: 'busy' })];
  const { service } = startService(functions, { maxEnvironments: 1 });
  const file = join(temporaryFolder(), 'notes');
  for (let id = 0; id < 300; id++) service.enqueue('busy', JSON.stringify({ file, id }));
  await until(() => service.stats().invocations > 0);
  await service.invoke('busy', JSON.stringify({ file, id: -1 }));
  expect(service.pending()).toBeGreaterThan(0);
});

test('eleven thousand events are run each once, through four environments at most', async () => {
  const { service, db } = startService([functionOf('work.echo', artifact())], { onLog: undefined });
  inTransaction(db, () => {
    for (let n = 0; n < 11_000; n++) service.enqueue('svc-work-echo', String(n));
  });
  expect(service.pending()).toBe(11_000);
  await service.idle();
  expect(service.stats()).toMatchObject({ invocations: 11_000, asyncInvocations: 11_000, errors: 0 });
  expect(service.stats().coldStarts).toBeLessThanOrEqual(4);
  expect(service.pending()).toBe(0);
});
