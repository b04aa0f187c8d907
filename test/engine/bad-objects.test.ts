/** Objects, letters and records that do not belong where they are: each is kept to itself, and the rest is done. */
import { InvokeCommand, LambdaClient } from '@aws-sdk/client-lambda';
import { GetQueueAttributesCommand, SendMessageCommand, SQSClient } from '@aws-sdk/client-sqs';
import { PutObjectCommand, S3Client } from '@aws-sdk/client-s3';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { peoplesCredentials, region } from '../../local-aws/index.ts';
import type { ReplayReport } from '../../shared/engine/recovery/replay-report.ts';
import { shopsApi, startNeutralWorld, type NeutralWorld } from './neutral-world.ts';

let world: NeutralWorld;
let sqs: SQSClient;

beforeAll(async () => {
  world = await startNeutralWorld('shops', { environment: { MAX_FREEZE_SECONDS: '1' } });
  world.api.answer(shopsApi('a', 'b', 'c'));
  sqs = new SQSClient({ endpoint: world.engine.endpoint, region, credentials: peoplesCredentials });
});
afterAll(async () => {
  sqs.destroy();
  await world.stop();
});

const sweepOf = (run: string): Promise<unknown> => world.invoke('sweep', { run, olderThan: 0 });
const remove = (key: string): void => world.engine.s3.delete(world.engine.bucket, key);
const oversized = JSON.stringify({ text: 'x'.repeat(1_100_000) });

function record(key: string, bucket = world.engine.bucket): object {
  return {
    eventVersion: '2.1',
    eventSource: 'aws:s3',
    eventTime: new Date().toISOString(),
    eventName: 'ObjectCreated:Put',
    s3: { bucket: { name: bucket }, object: { key } },
  };
}

describe('a run', () => {
  test.each(['seeds/next-to.json\uFFFD', 'seeds/next-to.json😀', 'seeds/next-to.json.bak'])(
    'with %j next to its seed is swept, complete and shown, like all others',
    async (key) => {
      await world.run('next-to');
      await world.drop(key, 'no seed');
      const swept = (await world.invoke('sweep', { olderThan: 0, verify: true })) as { unsweepable: unknown };
      expect(swept).toMatchObject({ runs: expect.arrayContaining([expect.objectContaining({ run: 'next-to' })]) });
      expect(swept.unsweepable).toEqual([]);
      expect(await sweepOf('next-to')).toMatchObject({ runs: [{ complete: true }] });
      expect(await world.invoke('status', { run: 'next-to', fresh: true })).toMatchObject({ complete: true });
      remove(key);
    },
  );

  test.each([
    ['of a megabyte', oversized],
    ['of another shape', '{"run":"report","at":"yesterday","levels":7}'],
    ['that is no JSON', '<html>'],
  ])('whose report is an object %s is swept, and so are the others; status without a run answers', async (_, body) => {
    await world.run('report');
    await world.run('another');
    remove('runs/another.json');
    await world.drop('runs/report.json', body);
    expect(await world.invoke('status', {})).toMatchObject({
      runs: expect.arrayContaining([expect.objectContaining({ run: 'report', line: 'report: no report yet' })]),
    });
    expect(await sweepOf('report')).toMatchObject({ runs: [{ complete: true }] });
    expect(await sweepOf('another')).toMatchObject({ runs: [{ complete: true }] });
    expect(await world.invoke('status', { run: 'report' })).toMatchObject({ complete: true, from: 'report' });
  });

  test.each([
    ['of-a-megabyte', oversized],
    ['of-another-shape', '{"status":"failed","at":"never","attempts":"two"}'],
  ])('with a failure note %s has that item open, not failed', async (run, body) => {
    await world.run(run);
    remove(`sales/${run}/b.csv`);
    await world.drop(`failures/sales/${run}/b.json`, body);
    expect(await sweepOf(run)).toMatchObject({ runs: [{ complete: false, refired: 1, reasons: [] }] });
    await world.engine.idle();
    expect(await sweepOf(run)).toMatchObject({ runs: [{ complete: true }] });
  });

  test('that lacks a child gets no marker, although a forged one makes the number right', async () => {
    await world.run('forged');
    remove('shops/forged/b.json');
    remove('sales/forged/b.csv');
    await world.drop('sales/forged/z.csv', 'shop,sum\r\n');
    await world.drop('shops/forged/z.json', '{"id":"z"}');
    await world.engine.idle();
    const swept = await sweepOf('forged');
    expect(swept).toMatchObject({ runs: [{ complete: false, levels: [{ short: 1 }, { items: 3, done: 3 }] }] });
    expect(world.objects('sales/forged/_SUCCESS').size).toBe(0);
    // A receipt that was just written is not held against its item yet: a later sweep brings the child back.
    const isBack = (): boolean => world.objects('sales/forged/b.csv').size === 1;
    for (let sweeps = 1; sweeps <= 200 && !isBack(); sweeps += 1) {
      await sweepOf('forged');
      await world.engine.idle();
    }
    expect(isBack()).toBe(true);
  });
});

describe('a replay', () => {
  test('passes over letters that can not be replayed, counts and names them, and brings the good one back', async () => {
    await world.run('letters');
    remove('sales/letters/b.csv');
    const url = world.engine.queues.find(({ name }) => name.endsWith('-sales-dead-letters'))?.url;
    const long = `shops/letters/${'x'.repeat(1500)}.json`;
    const bodies = [
      { Records: [record(long)] },
      { Records: [record('elsewhere/letters/b.json')] },
      { Records: [record('shops/letters/b.json', 'another-bucket')] },
      { Records: [record('shops/letters/b.json')] },
    ];
    for (const body of bodies)
      await sqs.send(new SendMessageCommand({ QueueUrl: url, MessageBody: JSON.stringify(body) }));
    for (const force of [false, true]) {
      const report = (await world.invoke('replay', { force })) as ReplayReport;
      expect(report).toMatchObject({ replayed: force ? 0 : 1, skipped: { refused: 2, unreadable: 1 } });
      expect(report.refusals.map(({ key }) => key).sort()).toEqual(['elsewhere/letters/b.json', long.slice(0, 1024)]);
      await world.engine.idle();
    }
    expect(world.objects('sales/letters/b.csv').size).toBe(1);
    const { Attributes: attributes } = await sqs.send(
      new GetQueueAttributesCommand({ QueueUrl: url, AttributeNames: ['ApproximateNumberOfMessages'] }),
    );
    expect(attributes?.ApproximateNumberOfMessages).toBe('3');
  });
});

describe('an event', () => {
  test('of which one record has a key that can not be decoded has its other records done', async () => {
    await world.run('records');
    for (const shop of ['a', 'c']) remove(`sales/records/${shop}.csv`);
    const event = {
      Records: [record('shops/records/a.json'), record('shops/%E0%A4%A'), record('shops/records/c.json')],
    };
    await expect(world.invoke('fetchSales', event)).rejects.toThrow(/BAD_EVENT.*is not URL-encoded/);
    expect(world.objects('sales/records/').size).toBe(3);
  });

  test('that S3 sends with such a record has the others done, and is a dead letter that no replay deletes', async () => {
    await world.run('sent');
    for (const shop of ['a', 'c']) remove(`sales/sent/${shop}.csv`);
    const lambda = new LambdaClient({ endpoint: world.engine.endpoint, region, credentials: peoplesCredentials });
    const event = { Records: [record('shops/sent/a.json'), record('shops/%E0%A4%A'), record('shops/sent/c.json')] };
    await lambda.send(
      new InvokeCommand({
        FunctionName: 's3-cascade-dev-fetchSales',
        InvocationType: 'Event',
        Payload: JSON.stringify(event),
      }),
    );
    lambda.destroy();
    await world.engine.idle();
    expect(world.objects('sales/sent/').size).toBe(3);
    const report = (await world.invoke('replay', { level: 'sales', force: true })) as ReplayReport;
    expect(report.reasons).toContainEqual(
      expect.objectContaining({ code: 'UNREADABLE', sample: expect.objectContaining({ message: expect.any(String) }) }),
    );
    expect(report.remaining).toBeGreaterThan(0);
  });
});

describe('what a person saves with a byte order mark', () => {
  test('is a seed', async () => {
    await world.drop('seeds/marked.json', '\uFEFF{"only": {"shop": ["a"]}}');
    await world.engine.idle();
    expect([...world.objects('sales/marked/').keys()]).toEqual(['sales/marked/a.csv']);
  });

  test('is a pause', async () => {
    await world.drop('control/rate.json', '\uFEFF{"paused": true}');
    await world.engine.idle();
    expect(await world.invoke('rate', {})).toMatchObject({ paused: true });
    await world.drop('control/rate.json', '{"paused": false}');
    await world.engine.idle();
  });
});

describe('what is forged', () => {
  test('as a freeze of thousands of years stops calls no longer than a freeze may last', async () => {
    await world.drop('control/freeze.json', '{"until":"9999-12-31T23:59:59.000Z"}');
    await world.run('frozen');
    const isDone = (): boolean => world.objects('sales/frozen/').size === 3;
    while (!isDone()) {
      await world.invoke('rate', {});
      await world.engine.idle();
    }
    expect(world.objects('failures/sales/frozen/').size).toBe(0);
  });

  test("as a success marker is refused to every fetch function's role", async () => {
    for (const { name, environment } of world.engine.model.functions.filter((each) => /-fetch/.test(each.name))) {
      const { AWS_ACCESS_KEY_ID: accessKeyId = '', AWS_SECRET_ACCESS_KEY: secretAccessKey = '' } = environment;
      const s3 = new S3Client({
        endpoint: world.engine.endpoint,
        region,
        credentials: { accessKeyId, secretAccessKey },
      });
      const put = (IfNoneMatch?: string): Promise<unknown> =>
        s3.send(
          new PutObjectCommand({ Bucket: world.engine.bucket, Key: 'sales/x/_SUCCESS', Body: '{}', IfNoneMatch }),
        );
      expect(name).toMatch(/fetch(Shops|Sales)$/);
      await expect(put()).rejects.toThrow(/AccessDenied|not authorized/);
      await expect(put('*')).rejects.toThrow(/AccessDenied|not authorized/);
      s3.destroy();
    }
  });
});
