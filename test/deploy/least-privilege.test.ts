/**
 * The roles and policies of the example's compiled templates: the service works under them, nothing that a function asks to do
 * is refused, and each right, each statement with each of its actions and resources, is needed for something that was asked.
 * What functions ask is recorded once for each trigger; which right it needs is then decided without running anything.
 */
import { isDeepStrictEqual } from 'node:util';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import {
  asRecord,
  loadPackage,
  lookAtRights,
  readRights,
  startLocalAws,
  TemplateError,
  type Access,
  type LocalAws,
  type LocalAwsOptions,
  type Properties,
} from '../../local-aws/index.ts';
import { loadChain } from '../../infra/source.ts';
import type { Level } from '../../shared/engine/chain/chain.ts';
import { functionParameters } from '../../shared/lambda/setting-table.ts';
import { callKey, type CallPath } from '../../sources/hermes/fake/call-key.ts';
import { startHermes, type LocalHermes } from '../../sources/hermes/fake/server.ts';
import { Probe, type CompleteRun } from './probes.ts';
import { rightsOf, type Right } from './rights.ts';
import { packageVariant, secretName, type Variant } from './variants.ts';

const packaged = async (name: Variant) => {
  const { packageDir } = await packageVariant(name);
  return { packageDir, ...(await loadPackage(packageDir)) };
};
const direct = await packaged('direct, unlimited, every option');
const queue = await packaged('queue, unlimited, kept for ever, no dashboard');
const chain = await loadChain('hermes');
type Packaged = typeof direct;

let hermes: LocalHermes;
beforeAll(async () => {
  hermes = await startHermes({ token: 'token', troops: 1, warriors: 1, groups: 1 });
});
afterAll(() => hermes.stop());

async function withEngine<Result>(
  { packageDir }: Packaged,
  options: Partial<LocalAwsOptions>,
  work: (engine: LocalAws) => Promise<Result>,
): Promise<Result> {
  const settings = { timeScale: 100_000, maxEnvironments: 8, secrets: { [secretName]: 'token' } };
  const environment = { [functionParameters.apiUrl.variable]: hermes.url };
  const engine = await startLocalAws(packageDir, { ...settings, environment, ...options });
  try {
    return await work(engine);
  } finally {
    await engine.stop();
  }
}

/** Calls a function as a person does. */
async function invoke({ lambda, model }: LocalAws, name: string, event: object): Promise<unknown> {
  const { payload, functionError } = await lambda.invoke(`${model.stackName}-${name}`, JSON.stringify(event));
  expect({ functionError, payload }).toMatchObject({ functionError: undefined });
  return JSON.parse(payload) as unknown;
}

test('the whole chain works under its roles: a run, a dead letter, its replay, the sweep and the status', async () => {
  const ids = hermes.tree().idsAt([0, 0, 0]);
  hermes.configure({ overrides: { [callKey('data', ids)]: { status: 404 } } });
  await withEngine(direct, {}, async (engine) => {
    engine.s3.put(engine.bucket, 'seeds/r1.json', Buffer.from('{}'));
    await engine.idle();
    const deadLetters = () => Object.entries(engine.sqs.depths()).filter(([, { visible }]) => visible > 0);
    expect(deadLetters()).toMatchObject([['s3-cascade-dev-data-dead-letters', { visible: 1 }]]);
    hermes.configure({ overrides: {} });
    expect(await invoke(engine, 'replay', { level: 'data' })).toMatchObject({ replayed: 1 });
    await engine.idle();
    expect(deadLetters()).toEqual([]);
    expect(await invoke(engine, 'sweep', {})).toMatchObject({ runs: [{ run: 'r1', complete: true }] });
    expect(await invoke(engine, 'status', { run: 'r1' })).toMatchObject({ complete: true });
    expect(await invoke(engine, 'rate', {})).toMatchObject({ paused: false });
    expect(engine.lambda.stats()).toMatchObject({ errors: 0, destinationDeliveryFailures: 0 });
  });
});

describe('each right is needed', () => {
  const directRights = rightsOf(direct.template);
  const known = new Set(directRights.map(({ name }) => name));
  // With queues most is the same; what is not has other names.
  const queueRights = rightsOf(queue.template).filter(({ name }) => !known.has(name));
  const asked = { direct: [] as Access[], queue: [] as Access[] };
  const needless = new Set<string>();

  beforeAll(async () => {
    const complete = await completeRun();
    // An environment keeps what it knows of the rate, so each has an engine of its own.
    for (const work of [
      (probe: Probe) => probe.run(),
      (probe: Probe) => probe.runPublishing(),
      (probe: Probe) => probe.runPaused(),
      (probe: Probe) => probe.runFrozen(refuseOnce),
    ])
      asked.direct.push(...(await record(direct, complete, work)));
    for (const work of [
      (probe: Probe) => probe.run(),
      (probe: Probe) => probe.runPublishing(),
      (probe: Probe) => probe.runMessages(),
    ])
      asked.queue.push(...(await record(queue, complete, work)));
    for (const right of directRights) if (!isNeeded(right, direct, asked.direct)) needless.add(right.name);
    for (const right of queueRights) if (!isNeeded(right, queue, asked.queue)) needless.add(right.name);
  });

  test.each(['direct', 'queue'] as const)('nothing that a function asks to do is refused: %s', (trigger) => {
    const may = readRights(trigger === 'direct' ? direct : queue);
    const refused = asked[trigger].filter((access) => !may(access));
    expect(refused.map(({ functionName, action, resource }) => `${functionName} ${action} ${resource}`)).toEqual([]);
    expect(asked[trigger].length).toBeGreaterThan(100);
  });

  /** A result's fetch may ask for its item, and the example's has all that it needs in the key. */
  const forOthers = /^FetchDataRole ReadItems: Resource .*\/data_groups\/\*"$/;

  test.each([...directRights, ...queueRights].map(({ name }) => name).filter((name) => !forOthers.test(name)))(
    '%s',
    (name) => {
      // Nothing that was asked needs it: take it away.
      expect([...needless]).not.toContain(name);
    },
  );
});

async function completeRun(): Promise<CompleteRun> {
  const run = 'complete';
  return withEngine(direct, {}, async (engine) => {
    const { s3, bucket } = engine;
    s3.put(bucket, `seeds/${run}.json`, Buffer.from('{}'));
    await engine.idle();
    const keys = s3.list(bucket, {}).contents.map(({ key }) => key);
    return { run, objects: new Map(keys.filter((key) => key.includes(run)).map((key) => [key, s3.get(bucket, key)])) };
  });
}

/** @returns all that functions asked to do while the probe worked */
async function record(of: Packaged, complete: CompleteRun, work: (probe: Probe) => Promise<void>): Promise<Access[]> {
  const asked: Access[] = [];
  const quiet: Partial<LocalAwsOptions> = {
    notificationFaults: { drop: () => true },
    lambdaFaults: { loseAcceptedEvent: () => true },
    template: unpolled,
    onAccess: (access) => asked.push(access),
  };
  await withEngine(of, quiet, (engine) => work(new Probe(engine, chain, complete)));
  return asked;
}

/** Whether something that is allowed, or a decision that needs no function, would be another without it. */
function isNeeded(right: Right, of: Packaged, asked: readonly Access[]): boolean {
  const without = { ...of, template: right.removedFrom(of.template) };
  if (!isDeepStrictEqual(lookAt(without), lookAt(of))) return true;
  const may = readRights(without);
  return asked.some((access) => !may(access));
}

/** What can be said of a template without running it: whether it is refused, whose logs are lost, what is allowed without TLS. */
function lookAt(of: Packaged): unknown {
  try {
    return lookAtRights(of);
  } catch (error) {
    if (error instanceof TemplateError) return error.code;
    throw error;
  }
}

/** Nothing is polled while a probe looks. */
function unpolled(template: Properties): Properties {
  const changed = structuredClone(template);
  for (const resource of Object.values(asRecord(changed['Resources'], 'Resources'))) {
    const { Type: type, Properties: properties } = asRecord(resource, 'Resources');
    if (type === 'AWS::Lambda::EventSourceMapping') asRecord(properties, 'Mapping')['Enabled'] = false;
  }
  return changed;
}

/** Has Hermes ask once to be left alone for a second. */
function refuseOnce({ name }: Level, ids: readonly string[]): void {
  const key = callKey(name.replace('_', '-') as CallPath, ids);
  hermes.clearCalls();
  hermes.configure({ overrides: { [key]: { status: 429, headers: { 'retry-after': '1' }, body: '{}' } } });
  const timer = setInterval(() => {
    if (!hermes.calls().some(({ status }) => status === 429)) return;
    clearInterval(timer);
    hermes.configure({ overrides: {} });
  }, 5);
}
