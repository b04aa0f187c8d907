/** Whole runs whose events come from queues: what fails, what is lost, and how it comes back. */
import { SendMessageCommand, StartMessageMoveTaskCommand, SQSClient } from '@aws-sdk/client-sqs';
import { afterEach, describe, expect, test } from '@jest/globals';
import { type LocalAwsOptions, peoplesCredentials } from '../../local-aws/index.ts';
import { auditCalls } from '../../sources/hermes/fake/audit.ts';
import { callKey } from '../../sources/hermes/fake/call-key.ts';
import type { HermesOptions } from '../../sources/hermes/fake/server.ts';
import { sweepToTheEnd } from '../../cli/run/sweep-run.ts';
import { openDeadLetters } from './dead-letters.ts';
import { lossyFaults } from './lossy-faults.ts';
import type { FailureNote } from '../../shared/engine/item/failure-note.ts';
import { expectWholeTree, resultsOf, startWorld, type World } from './world.ts';

let world: World;
afterEach(() => world.stop());

async function start(
  hermes: HermesOptions,
  engine: Partial<LocalAwsOptions> = {},
  params: Record<string, string> = {},
): Promise<void> {
  world = await startWorld(hermes, engine, { trigger: 'queue', ...params });
}

const tree = { troops: 4, warriors: 6, groups: 5 };
const withoutRetries = { environment: { CALL_RETRIES: '0' } };

describe('a seed that is dropped', () => {
  test('becomes the whole tree, each call made exactly once', async () => {
    await start(tree);
    await world.run('r1');
    expectWholeTree(world, 'r1');
    expect(auditCalls(world.hermes.calls()).repeats).toEqual([]);
    expect(world.engine.lambda.stats()).toMatchObject({ errors: 0, asyncInvocations: 0 });
    expect(await world.invoke('sweep', {})).toMatchObject({ runs: [{ run: 'r1', complete: true }] });
    expect(await world.invoke('status', { run: 'r1' })).toMatchObject({ complete: true });
  });

  test('becomes the whole tree though every event comes twice and out of order', async () => {
    await start(tree, { notificationFaults: { copies: 2, shuffleSeed: 1 } });
    await world.run('r1');
    expectWholeTree(world, 'r1');
  });
});

describe('a Hermes that fails at random', () => {
  test('is asked again by the queue alone, which brings only what failed: the same bucket', async () => {
    await start({ ...tree, failRate: 0.1 }, withoutRetries);
    await world.run('r1');
    expectWholeTree(world, 'r1');
    expect(world.engine.lambda.stats().retries).toBeGreaterThan(0);
    expect(await openDeadLetters(world).count()).toBe(0);
  });
});

describe('a call that fails for good', () => {
  const start6 = async (): Promise<void> => {
    await start({ ...tree, failForever: 6 }, withoutRetries, { maxReceives: '3' });
    await world.run('r1');
  };

  test('is tried as often as its message may be received, then is a dead letter; a replay brings it back', async () => {
    await start6();
    const notes = [...world.objects('failures/').values()].map((body) => JSON.parse(body) as FailureNote);
    expect(notes.flatMap((note): unknown[] => [...(note.items ?? [note])])).toHaveLength(6);
    for (const note of notes) expect(note).toMatchObject({ code: 'HTTP_500', attempts: 3 });
    const letters = openDeadLetters(world);
    expect(await letters.count()).toBe(notes.length);
    expect(await world.invoke('replay', { dryRun: true })).toMatchObject({
      replayed: 6,
      reasons: expect.arrayContaining([expect.objectContaining({ code: 'HTTP_500', condition: 'S3Event' })]),
    });

    world.hermes.configure({ failForever: 0 });
    expect(await world.invoke('replay', {})).toMatchObject({ replayed: 6, parked: 0 });
    await world.engine.idle();
    expectWholeTree(world, 'r1');
    expect(await letters.count()).toBe(0);
    expect(auditCalls(world.hermes.calls()).repeats).toEqual([]);
  });

  test('comes back by SQS itself: start-message-move-task', async () => {
    await start6();
    world.hermes.configure({ failForever: 0 });
    const sqs = new SQSClient({
      endpoint: world.engine.endpoint,
      region: 'us-east-1',
      credentials: peoplesCredentials,
    });
    for (const { arn } of world.engine.queues.filter(({ name }) =>
      /(?<!publish|publish-piece)-dead-letters$/.test(name),
    ))
      await sqs.send(new StartMessageMoveTaskCommand({ SourceArn: arn }));
    await world.engine.idle();
    sqs.destroy();
    expectWholeTree(world, 'r1');
    expect(await openDeadLetters(world).count()).toBe(0);
  });
});

describe('an item that can not be fetched', () => {
  test('is a dead letter at once; its siblings in the batch are done; moved back by SQS, it is understood', async () => {
    await start(tree);
    const ids = world.hermes.tree().idsAt([1, 2, 3]);
    world.hermes.configure({ overrides: { [callKey('data', ids)]: { status: 404 } } });
    await world.run('r1');
    expect(resultsOf(world, 'r1')).toHaveLength(4 * 6 * 5 - 1);
    const letters = openDeadLetters(world);
    expect(await letters.count()).toBe(1);
    expect(world.engine.lambda.stats().retries).toBe(0);

    world.hermes.configure({ overrides: {} });
    const sqs = new SQSClient({
      endpoint: world.engine.endpoint,
      region: 'us-east-1',
      credentials: peoplesCredentials,
    });
    // The function sent it, no queue did: SQS has to be told where to.
    const arnOf = (kind: string): string =>
      world.engine.queues.find(({ name }) => name.endsWith(`-data-${kind}`))?.arn ?? '';
    const move = { SourceArn: arnOf('dead-letters'), DestinationArn: arnOf('trigger') };
    await sqs.send(new StartMessageMoveTaskCommand(move));
    await world.engine.idle();
    sqs.destroy();
    expectWholeTree(world, 'r1');
  });
});

describe('a message whose key can not be decoded', () => {
  test('becomes a dead letter, and the items that come with it are done', async () => {
    await start({ troops: 1, warriors: 3, groups: 1 });
    await world.run('r1');
    const keys = [...world.objects('data/r1/').keys()];
    for (const key of keys) world.engine.s3.delete(world.engine.bucket, key);
    const items = [...world.objects('data_groups/r1/').keys()].map((key) => encodeURIComponent(key));
    const sqs = new SQSClient({
      endpoint: world.engine.endpoint,
      region: 'us-east-1',
      credentials: peoplesCredentials,
    });
    const QueueUrl = world.engine.queues.find(({ name }) => name.endsWith('-data-trigger'))?.url;
    const recordOf = (key: string): object => ({
      eventVersion: '2.1',
      eventSource: 'aws:s3',
      eventTime: new Date().toISOString(),
      eventName: 'ObjectCreated:Put',
      s3: { bucket: { name: world.engine.bucket }, object: { key } },
    });
    const [first = '', ...others] = items;
    for (const records of [[first, 'data_groups/%E0%A4%A'], ...others.map((key) => [key])])
      await sqs.send(
        new SendMessageCommand({ QueueUrl, MessageBody: JSON.stringify({ Records: records.map(recordOf) }) }),
      );
    sqs.destroy();
    await world.engine.idle();
    expect([...world.objects('data/r1/').keys()]).toEqual(keys);
    expect(await openDeadLetters(world).count()).toBe(1);
  });
});

describe('an S3 that loses events', () => {
  test('is made good by the sweep, which sends the events again', async () => {
    const { notificationFaults } = lossyFaults({ dropShare: 0.05, loseShare: 0, seed: 3 });
    await start(tree, { notificationFaults });
    await world.run('r1');
    expect(resultsOf(world, 'r1').length).toBeLessThan(4 * 6 * 5);
    expect(await sweepToTheEnd(world.engine, 'r1')).toMatchObject({ complete: true });
    expectWholeTree(world, 'r1');
  });
});
