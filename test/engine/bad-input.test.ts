/** Bad input: each ends as a failure with a reason that a person can act on, and everything else of the run is fetched. */
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { GetQueueAttributesCommand, SQSClient } from '@aws-sdk/client-sqs';
import { callKey } from '../../sources/hermes/fake/call-key.ts';
import type { Override } from '../../sources/hermes/fake/options.ts';
import { peoplesCredentials } from '../../local-aws/index.ts';
import { expectWholeTree, resultsOf, startWorld, type World } from './world.ts';

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
    ['seeds/unknown.json', '{"only":{"troop":["unknown"]}}', 'failures/troops/unknown.json', 'UNKNOWN_ID', 'unknown'],
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

  test('that is bad is one attempt, and is on the dead-letter queue', async () => {
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
  let runs = 0;
  beforeAll(async () => {
    const environment = { MAX_BODY_BYTES: '100000', CALL_RETRIES: '0' };
    world = await startWorld({ troops: 2, warriors: 2, groups: 2 }, { environment });
  });
  afterAll(() => world.stop());

  /** A run in which the list of the first troop's warriors is answered with this. */
  async function runWith(override: Override): Promise<{ run: string; note: unknown; failures: number }> {
    const run = `r${(runs += 1)}`;
    const [troop = ''] = world.hermes.tree().idsAt([0]);
    world.hermes.configure({ overrides: { [callKey('warriors', [troop])]: override } });
    await world.run(run);
    // The other troop is whole, whatever became of this one.
    const whole = world.hermes.tree().idsAt([1])[0];
    expect(resultsOf(world, run).filter(({ ids }) => ids[0] === whole)).toHaveLength(4);
    const failures = [...world.objects('failures/').keys()].filter((key) => key.includes(`/${run}/`));
    return { run, note: world.json(`failures/warriors/${run}/${troop}.json`), failures: failures.length };
  }

  const listOf = (...items: object[]): Override => ({ status: 200, body: JSON.stringify({ items, next: null }) });
  const warrior = (): string => world.hermes.tree().idsAt([0, 0])[1] ?? '';

  test.each<[string, Override | (() => Override), string]>([
    ['HTML', 'html', 'NOT_JSON'],
    ['an id of another type', listOf({ id: true }), 'BAD_SHAPE'],
    ['an id twice', () => listOf({ id: warrior(), rank: 1 }, { id: warrior(), rank: 2 }), 'DUPLICATE_ID'],
    ['pages in a loop', 'page-loop', 'PAGE_LOOP'],
    ['an empty id', 'empty-id', 'EMPTY_ID'],
    ['a redirect', 'redirect', 'REDIRECT'],
    ['an endless body', 'huge-body', 'BODY_TOO_LARGE'],
    ['not found', { status: 404 }, 'HTTP_404'],
  ])('%s: that item fails at once with its reason, the rest of the run is fetched', async (_what, override, code) => {
    const { note, failures } = await runWith(typeof override === 'function' ? override() : override);
    expect(note).toMatchObject({ class: 'item', code, attempts: 1 });
    expect(failures).toBe(1);
  });

  test.each<[string, Override, string]>([
    ['half of its JSON', 'truncated-json', 'CUT_SHORT'],
    ['500', { status: 500 }, 'HTTP_500'],
  ])('%s for ever: three attempts in all, then a dead letter with its reason', async (_what, override, code) => {
    const before = world.engine.lambda.stats();
    const { note, failures } = await runWith(override);
    expect(note).toMatchObject({ class: 'transient', code, attempts: 3 });
    expect(failures).toBe(1);
    const { retries, deadLetters } = world.engine.lambda.stats();
    expect({ retries, deadLetters }).toEqual({ retries: before.retries + 2, deadLetters: before.deadLetters + 1 });
  });

  test('the same element twice, as a list that shifted between two pages has it: it is one child', async () => {
    const { run, failures } = await runWith('duplicate-ids');
    expect(failures).toBe(0);
    expectWholeTree(world, run);
  });
});
