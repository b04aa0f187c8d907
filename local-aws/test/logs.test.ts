/** What functions log: told as it comes, kept in files, and asked for as from CloudWatch Logs. */
import { describe, expect, test } from '@jest/globals';
import { openFunctionLogs } from '../logs/function-logs.ts';
import type { LocalAws } from '../local-aws.ts';
import { folder, makePackage, send, start } from './queue-engine.ts';

const group = '/aws/lambda/work';
type Answer = {
  logStreams?: { logStreamName: string }[];
  logGroups?: { logGroupName: string }[];
  events?: { message: string; timestamp: number }[];
  nextToken?: string;
  __type?: string;
  message?: string;
};

async function ask({ endpoint }: LocalAws, operation: string, input: object, keyId = 'local') {
  const credential = `Credential=${keyId}/20261120/us-east-1/logs/aws4_request`;
  const response = await fetch(endpoint, {
    method: 'POST',
    headers: {
      'content-type': 'application/x-amz-json-1.1',
      'x-amz-target': `Logs_20140328.${operation}`,
      authorization: `AWS4-HMAC-SHA256 ${credential}, SignedHeaders=host, Signature=0`,
    },
    body: JSON.stringify(input),
  });
  return { status: response.status, ...((await response.json()) as Answer) };
}

describe('CloudWatch Logs', () => {
  test('answers what `sls logs` asks: the streams of a function, and their events', async () => {
    const told: string[] = [];
    const { packageDir } = makePackage();
    const engine = await start({ packageDir, onLog: (name, line) => told.push(`${name}: ${line}`) });
    expect(await ask(engine, 'DescribeLogStreams', { logGroupName: group })).toEqual({ status: 200, logStreams: [] });
    const beforeMs = Date.now();
    send(engine, 'say hello', 'say good bye');
    await engine.idle();

    const { logStreams = [] } = await ask(engine, 'DescribeLogStreams', {
      logGroupName: group,
      descending: true,
      limit: 50,
      orderBy: 'LastEventTime',
    });
    const logStreamNames = logStreams.map(({ logStreamName }) => logStreamName);
    const asked = { logGroupName: group, interleaved: true, logStreamNames, startTime: beforeMs };
    const { events = [] } = await ask(engine, 'FilterLogEvents', asked);
    const messages = events.map(({ message }) => message);
    expect(messages).toEqual([
      expect.stringMatching(/^START RequestId/),
      'hello',
      'good bye',
      expect.stringMatching(/^END RequestId/),
      expect.stringMatching(/^REPORT RequestId/),
    ]);
    expect(told).toEqual(messages.map((message) => `work: ${message}`));
    expect(engine.counts().people.logs).toEqual({ DescribeLogStreams: 2, FilterLogEvents: 1 });

    const filtered = async (more: object) => {
      const answer = await ask(engine, 'FilterLogEvents', { ...asked, ...more });
      return answer.events?.map(({ message }) => message);
    };
    expect(await filtered({ filterPattern: '"good bye"' })).toEqual(['good bye']);
    expect(await filtered({ filterPattern: '-RequestId -hello' })).toEqual(['good bye']);
    expect(await filtered({ startTime: Date.now() + 60_000 })).toEqual([]);
    expect(await filtered({ limit: 1, nextToken: '1' })).toEqual(['hello']);
  });

  test('names the groups of all functions, and refuses what it does not have in one clear line', async () => {
    const engine = await start(makePackage());
    expect((await ask(engine, 'DescribeLogGroups', {})).logGroups).toMatchObject([{ logGroupName: group }]);
    expect(await ask(engine, 'FilterLogEvents', { logGroupName: '/aws/lambda/other' })).toMatchObject({
      status: 400,
      __type: 'ResourceNotFoundException',
    });
    expect(
      await ask(engine, 'FilterLogEvents', { logGroupName: group, filterPattern: '{ $.level = 1 }' }),
    ).toMatchObject({
      status: 400,
      message: expect.stringContaining('filters by terms'),
    });
    expect(await ask(engine, 'StartQuery', {})).toMatchObject({
      status: 400,
      message: expect.stringContaining('no StartQuery'),
    });
    // A function's key of another start: it may nothing.
    expect(await ask(engine, 'FilterLogEvents', { logGroupName: group }, 'LOCALold')).toMatchObject({
      __type: 'AccessDeniedException',
    });
  });
});

test('of a function that logs for ever the latest lines are kept in memory', () => {
  const logs = openFunctionLogs(undefined, () => undefined);
  for (let line = 0; line < 50_000; line += 1) logs.write('work', String(line));
  const events = logs.events('work');
  expect(events.at(-1)?.message).toBe('49999');
  expect(events.length).toBeGreaterThanOrEqual(10_000);
  expect(events.length).toBeLessThanOrEqual(20_001);
  for (let line = 0; line < 100; line += 1) logs.write('work', 'x'.repeat(1_000_000));
  const chars = logs.events('work').reduce((sum, { message }) => sum + message.length, 0);
  expect(chars).toBeLessThanOrEqual(9_000_000);
});

test('logs that can not be written are told of once, and stay in memory', async () => {
  const told: string[] = [];
  const failed = new Promise<void>((resolve) => {
    const logs = openFunctionLogs(folder(), (message) => {
      told.push(message);
      resolve();
    });
    // A folder is in the way of the file's name.
    logs.write('no/such/folder', 'lost');
    logs.write('no/such/folder', 'lost too');
    expect(logs.events('no/such/folder')).toHaveLength(2);
  });
  await failed;
  expect(told).toEqual([expect.stringContaining('can no longer be written')]);
});
