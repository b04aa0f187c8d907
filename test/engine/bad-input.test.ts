/** Bad input: each ends as a failure with a reason that a person can act on, and everything else of the run goes on. */
import { afterAll, afterEach, beforeAll, describe, expect, test } from '@jest/globals';
import { GetQueueAttributesCommand, SQSClient } from '@aws-sdk/client-sqs';
import { callKey } from '../../sources/hermes/fake/call-key.ts';
import type { Override } from '../../sources/hermes/fake/options.ts';
import { peoplesCredentials } from '../../local-aws/account.ts';
import { expectWholeTree, startWorld, type World } from './world.ts';

let world: World;

describe('a seed', () => {
  beforeAll(async () => {
    world = await startWorld({ troops: 2, warriors: 2, groups: 2 });
  });
  afterAll(() => world.stop());

  test.each([
    ['seeds/not-json.json', 'hello', 'failures/troops/not-json.json', 'BAD_SEED', 'is not JSON'],
    ['seeds/empty.json', '', 'failures/troops/empty.json', 'BAD_SEED', 'is empty'],
    ['seeds/field.json', '{"warriors":1}', 'failures/troops/field.json', 'BAD_SEED', 'unknown field warriors'],
    ['seeds/unknown.json', '{"troops":["nobody"]}', 'failures/troops/unknown.json', 'UNKNOWN_TROOP', 'nobody'],
    ['seeds/bad run.json', '{}', 'failures/troops/_stray/seeds%2Fbad%20run%2Ejson.json', 'BAD_KEY', 'bad run name'],
    [
      'seeds/a/b.json',
      '{}',
      'failures/troops/_stray/seeds%2Fa%2Fb%2Ejson.json',
      'BAD_KEY',
      'has 1 id after the run, not 0',
    ],
    ['troops/r1/junk.json', 'not json', 'failures/warriors/r1/junk.json', 'NOT_JSON', 'Was it put there by hand?'],
    ['troops/r1/nobody.json', '{}', 'failures/warriors/r1/nobody.json', 'HTTP_404', '404'],
    [
      'amazon_warriors/junk.json',
      '{}',
      'failures/data_groups/_stray/amazon_warriors%2Fjunk%2Ejson.json',
      'BAD_KEY',
      'Expected:',
    ],
  ])('or an object %s with %j is noted under %s', async (key, body, note, code, message) => {
    await world.drop(key, body);
    await world.engine.idle();
    expect(world.json(note)).toMatchObject({
      class: 'item',
      code,
      key,
      message: expect.stringContaining(message),
      attempts: 1,
    });
  });

  test('that is bad does not keep a good one from becoming the whole tree', async () => {
    await world.run('good');
    expectWholeTree(world, 'good');
  });

  test('that is bad is tried once, and lies on the dead-letter queue', async () => {
    expect(world.engine.lambda.stats()).toMatchObject({ errors: 0, retries: 0 });
    const queue = world.engine.queues.find(({ name }) => name.includes('troops-dead-letters'));
    const sqs = new SQSClient({
      endpoint: world.engine.endpoint,
      region: 'us-east-1',
      credentials: peoplesCredentials,
    });
    const { Attributes: attributes } = await sqs.send(
      new GetQueueAttributesCommand({ QueueUrl: queue?.url, AttributeNames: ['ApproximateNumberOfMessages'] }),
    );
    expect(attributes?.ApproximateNumberOfMessages).toBe('6');
    sqs.destroy();
  });

  test('ending in another suffix starts nothing', async () => {
    const before = world.engine.lambda.stats().invocations;
    await world.drop('seeds/readme.txt', 'hello');
    await world.engine.idle();
    expect(world.engine.lambda.stats().invocations).toBe(before);
  });
});

describe('a Hermes that answers one call with', () => {
  afterEach(() => world.stop());

  test.each<[string, Override, string]>([
    ['HTML', 'html', 'NOT_JSON'],
    ['truncated JSON', 'truncated-json', 'NOT_JSON'],
    ['wrong types', 'wrong-types', 'BAD_SHAPE'],
    ['an id twice', 'duplicate-ids', 'DUPLICATE_ID'],
    ['pages in a loop', 'page-loop', 'PAGE_LOOP'],
    ['an empty id', 'empty-id', 'EMPTY_ID'],
    ['a redirect', 'redirect', 'REDIRECT'],
    ['an endless body', 'huge-body', 'BODY_TOO_LARGE'],
    ['no such thing', { status: 404 }, 'HTTP_404'],
  ])('%s: that item fails with %j, the rest of the run goes on', async (_what, override, code) => {
    world = await startWorld({ troops: 2, warriors: 2, groups: 2 }, { environment: { MAX_BODY_BYTES: '100000' } });
    const [troop = ''] = world.hermes.tree().idsAt([0]);
    const [other = ''] = world.hermes.tree().idsAt([1]);
    world.hermes.configure({ overrides: { [callKey('warriors', [troop])]: override } });
    await world.run('r1');
    expect(world.json(`failures/warriors/r1/${troop}.json`)).toMatchObject({ class: 'item', code, attempts: 1 });
    expect(world.objects('failures/').size).toBe(1);
    expect(world.objects(`data/r1/${other}/`).size).toBe(4);
  });

  test('500 for ever: Lambda tries three times in all, then it is a dead letter with its reason', async () => {
    world = await startWorld({ troops: 2, warriors: 2, groups: 2 }, { environment: { CALL_RETRIES: '0' } });
    const [troop = ''] = world.hermes.tree().idsAt([0]);
    world.hermes.configure({ overrides: { [callKey('warriors', [troop])]: { status: 500 } } });
    await world.run('r1');
    expect(world.json(`failures/warriors/r1/${troop}.json`)).toMatchObject({
      class: 'transient',
      code: 'HTTP_500',
      attempts: 3,
    });
    expect(world.engine.lambda.stats()).toMatchObject({ retries: 2, deadLetters: 1 });
  });
});
