/** What the API says about waiting, on whole runs: orders to wait cost no attempt, end some time, and the longest one holds. */
import { ReceiveMessageCommand, SendMessageCommand, SQSClient } from '@aws-sdk/client-sqs';
import { afterEach, describe, expect, test } from '@jest/globals';
import { peoplesCredentials, region } from '../../local-aws/index.ts';
import { openDeadLetters } from './dead-letters.ts';
import { shopsApi, startNeutralWorld, type Call, type NeutralWorld, type Reply } from './neutral-world.ts';

let world: NeutralWorld;
afterEach(() => world.stop());

const salesOf = (shop: string): string => `/regions/north/shops/${shop}/sales`;

/** The first calls to a path are answered with these, then all as usual. */
function first(replies: Readonly<Record<string, readonly Reply[]>>, usual: (call: Call) => Reply | undefined) {
  return (call: Call): Reply | undefined =>
    replies[call.path]?.[world.api.callsTo(call.path).length - 1] ?? usual(call);
}

async function deadLetters(): Promise<number> {
  const letters = openDeadLetters(world);
  try {
    return await letters.count();
  } finally {
    letters.close();
  }
}

/** As its schedule would, the rate gives back what waits; until all of it is done. */
async function resumeAll(): Promise<void> {
  const isWaiting = (): boolean =>
    Object.entries(world.engine.sqs.depths()).some(([name, { visible }]) => name.endsWith('-waiting') && visible > 0);
  await world.engine.idle();
  while (isWaiting()) {
    await world.invoke('rate', {});
    await world.engine.idle();
  }
}

describe('an answer that says "not yet"', () => {
  test('is no list and no result: it is asked for again, and only the whole answer is stored', async () => {
    world = await startNeutralWorld('shops');
    const notYet = { status: 202, body: '{}' };
    const shops = '/regions/north/shops';
    world.api.answer(first({ [shops]: [notYet, notYet], [salesOf('a')]: [notYet, notYet] }, shopsApi('a', 'b')));
    await world.run('r1');
    expect([...world.objects('sales/r1/')]).toEqual([
      ['sales/r1/a.csv', 'shop,sum\r\na,1\r\n'],
      ['sales/r1/b.csv', 'shop,sum\r\nb,1\r\n'],
    ]);
    expect([world.api.callsTo(shops), world.api.callsTo(salesOf('a'))].map(({ length }) => length)).toEqual([3, 3]);
    expect(world.objects('failures/').size).toBe(0);
    expect(await world.invoke('sweep', { run: 'r1' })).toMatchObject({ runs: [{ complete: true }] });
  });
});

describe.each(['direct', 'queue'])('an API that orders to wait for a second, with trigger %s', (trigger) => {
  test('is waited for as often as it says so: no attempt is counted and nothing fails', async () => {
    // One attempt is all that there is.
    const environment = { CALL_RETRIES: '0' };
    world = await startNeutralWorld('shops', { environment }, { trigger, maxReceives: '1' });
    const wait = { status: 429, headers: { 'retry-after': '1' } };
    world.api.answer(first({ [salesOf('a')]: [wait, wait, wait, wait] }, shopsApi('a')));
    await world.run('r1');
    await resumeAll();
    expect(world.api.callsTo(salesOf('a'))).toHaveLength(5);
    const { headers } = world.engine.s3.get(world.engine.bucket, 'sales/r1/a.csv');
    expect(headers['x-amz-meta-attempt']).toBe('1');
    expect(world.objects('failures/').size).toBe(0);
    expect(await deadLetters()).toBe(0);
    expect(world.engine.lambda.stats()).toMatchObject({ errors: 0, retries: 0 });
  });
});

describe('one item that the API orders to wait, always', () => {
  /** Adds hours to how long the items on the level's waiting queue have waited. */
  async function ageWaiting(level: string, hours: number): Promise<number> {
    const sqs = new SQSClient({ endpoint: world.engine.endpoint, region, credentials: peoplesCredentials });
    const QueueUrl = world.engine.queues.find(({ name }) => name.endsWith(`-${level}-waiting`))?.url;
    try {
      const { Messages: messages = [] } = await sqs.send(
        new ReceiveMessageCommand({ QueueUrl, MaxNumberOfMessages: 10, VisibilityTimeout: 3600 }),
      );
      for (const { Body: body = '' } of messages) {
        const aged = body.replace(/("(?:waitingSinceMs|notBeforeMs)":)(\d+)/g, (_, name: string, ms: string) => {
          return `${name}${Number(ms) - hours * 3_600_000}`;
        });
        expect(aged).not.toBe(body);
        await sqs.send(new SendMessageCommand({ QueueUrl, MessageBody: aged }));
      }
      return messages.length;
    } finally {
      sqs.destroy();
    }
  }

  test('stops the others for no longer than it may, waits alone, and fails with a reason after the longest wait', async () => {
    const environment = { MAX_FREEZE_SECONDS: '1', MAX_ITEM_FREEZE_SECONDS: '1', MAX_WAIT_SECONDS: '36000' };
    world = await startNeutralWorld('shops', { environment });
    const shops = ['a', 'b', 'c', 'd', 'e', 'f'];
    const always = { status: 429, headers: { 'retry-after': '900' } };
    const usual = shopsApi(...shops);
    world.api.answer((call) => (call.path === salesOf('a') ? always : usual(call)));
    await world.run('r1');
    const others = (): number => world.objects('sales/r1/').size;
    // Those that were stopped wait with it, until the freeze is over; jest's own limit ends a test in which it never is.
    while (others() < 5) {
      await world.invoke('rate', {});
      await world.engine.idle();
    }
    expect(others()).toBe(5);
    expect(world.objects('failures/').size).toBe(0);
    const calls = world.api.calls.length;

    // Its quarter of an hour is not over.
    await world.invoke('rate', {});
    await world.engine.idle();
    expect(world.api.calls).toHaveLength(calls);

    expect(await ageWaiting('sales', 9)).toBe(1);
    await world.invoke('rate', {});
    await world.engine.idle();
    expect(world.objects('failures/').size).toBe(0);

    expect(await ageWaiting('sales', 2)).toBe(1);
    await world.invoke('rate', {});
    await world.engine.idle();
    expect(world.api.calls).toHaveLength(calls + 2);
    expect(world.json('failures/sales/r1/a.json')).toMatchObject({ class: 'item', code: 'WAITED_TOO_LONG' });
    expect(await deadLetters()).toBe(1);
    expect(await world.invoke('sweep', { run: 'r1', olderThan: 0 })).toMatchObject({
      runs: [{ complete: false, reasons: [{ code: 'WAITED_TOO_LONG', count: 1 }] }],
    });

    // A person asks for it anew: what it had waited is forgotten.
    world.api.answer(usual);
    expect(await world.invoke('replay', {})).toMatchObject({ replayed: 1, remaining: 0 });
    await world.engine.idle();
    expect(await world.invoke('sweep', { run: 'r1', olderThan: 0 })).toMatchObject({ runs: [{ complete: true }] });
  });
});

describe('two environments that are told to wait', () => {
  test('leave the longer wait in the bucket, although the shorter was told later', async () => {
    const untils: string[] = [];
    let isWritten: () => void;
    const written = new Promise<void>((resolve) => (isWritten = resolve));
    world = await startNeutralWorld('shops', {
      onObjectCreated: ({ key, bucket }) => {
        if (key !== 'control/freeze.json') return;
        queueMicrotask(() => {
          untils.push(Buffer.from(world.engine.s3.get(bucket, key).body).toString());
          isWritten();
        });
      },
    });
    const usual = shopsApi('a', 'b');
    let isToldLater = false;
    world.api.answer(async (call) => {
      const isFirst = world.api.callsTo(call.path).length === 1;
      if (call.path === salesOf('a') && isFirst) return { status: 429, headers: { 'retry-after': '4' } };
      if (call.path !== salesOf('b') || !isFirst) return usual(call);
      await written;
      isToldLater = true;
      return { status: 429, headers: { 'retry-after': '1' } };
    });
    await world.run('r1');
    await resumeAll();
    expect(isToldLater).toBe(true);
    const ends = untils.map((body) => Date.parse((JSON.parse(body) as { until: string }).until));
    expect(ends).toEqual([...ends].sort((x, y) => x - y));
    const [again] = world.api.callsTo(salesOf('a')).slice(1);
    expect(again?.atMs).toBeGreaterThanOrEqual(ends[0] ?? Infinity);
    expect(world.objects('sales/r1/').size).toBe(2);
    expect(world.objects('failures/').size).toBe(0);
  });
});
