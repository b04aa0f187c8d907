/**
 * The roles and policies of the compiled template: the service works under them, and each right in them, each statement, each
 * of its actions and resources, is missed when it is taken away. A right that nobody misses is one too many.
 */
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { isDeepStrictEqual } from 'node:util';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { startEngine, type Engine, type EngineOptions } from '../../local-aws/engine.ts';
import { callKey, type CallPath } from '../../sources/hermes/fake/call-key.ts';
import { startHermes, type LocalHermes } from '../../sources/hermes/fake/server.ts';
import { readIdentities } from '../../local-aws/iam/identities.ts';
import { permittedLog } from '../../local-aws/iam/log-access.ts';
import { readPolicies } from '../../local-aws/iam/template-policies.ts';
import { TemplateError } from '../../local-aws/package/errors.ts';
import { loadPackage } from '../../local-aws/package/load-package.ts';
import { packageService } from '../../local-aws/package/package-service.ts';
import { asRecord, type Properties } from '../../local-aws/package/shape.ts';
import { readTemplate } from '../../local-aws/package/template.ts';
import { chain, type Level } from '../../shared/engine/chain/chain.ts';
import { Probe, type Answers, type CompleteRun } from './probes.ts';
import { rightsOf, type Right } from './rights.ts';

const secretName = 'hermes-token';
const packaged = async (trigger: string) => {
  const params = { hermesTokenSecret: secretName, hermesRate: 'unlimited', trigger };
  const { packageDir } = await packageService({ serviceDir: join(import.meta.dirname, '../..'), params });
  return { packageDir, ...(await loadPackage(packageDir)) };
};
const [direct, queue] = [await packaged('direct'), await packaged('queue')];
type Packaged = typeof direct;

/** Engines at once. */
const lanes = 3;

const silent: Partial<EngineOptions> = {
  notificationFaults: { drop: () => true },
  lambdaFaults: { loseAcceptedEvent: () => true },
};

let hermes: LocalHermes;
beforeAll(async () => {
  hermes = await startHermes({ token: 'token', troops: 1, warriors: 1, groups: 1 });
});
afterAll(() => hermes.stop());

async function withEngine<Result>(
  { packageDir }: Packaged,
  options: Partial<EngineOptions>,
  work: (engine: Engine) => Promise<Result>,
): Promise<Result> {
  const settings = { timeScale: 100_000, maxEnvironments: 8, secrets: { [secretName]: 'token' } };
  const engine = await startEngine({ ...settings, packageDir, environment: { HERMES_URL: hermes.url }, ...options });
  try {
    return await work(engine);
  } finally {
    await engine.stop();
  }
}

/** Calls a function as a person does. */
async function invoke({ lambda, model }: Engine, name: string, event: object): Promise<unknown> {
  const { payload, functionError } = await lambda.invoke(`${model.stackName}-${name}`, JSON.stringify(event));
  expect({ functionError, payload }).toMatchObject({ functionError: undefined });
  return JSON.parse(payload) as unknown;
}

function takeObjects({ s3, bucket }: Engine, run: string): CompleteRun {
  const keys = s3.list(bucket, {}).contents.map(({ key }) => key);
  return { run, objects: new Map(keys.filter((key) => key.includes(run)).map((key) => [key, s3.get(bucket, key)])) };
}

async function completeRun(): Promise<CompleteRun> {
  return withEngine(direct, {}, async (engine) => {
    engine.s3.put(engine.bucket, 'seeds/complete.json', Buffer.from('{}'));
    await engine.idle();
    return takeObjects(engine, 'complete');
  });
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

const place = { accountId: '000000000000', region: 'us-east-1', endpoint: 'http://127.0.0.1:4566' };

/** What can be told of a template without running it: whether it is refused, whose logs are lost, who is let in without TLS. */
function lookAt({ stackName, codeDirs }: Packaged, template: Properties): unknown {
  try {
    const here = { ...place, stackName };
    const model = readTemplate(template, here, codeDirs);
    const policies = readPolicies(template, here);
    const kept: string[] = [];
    const write = permittedLog((name) => kept.push(name), {
      identities: readIdentities(model, policies),
      place,
      onLost: () => undefined,
    });
    for (const { name } of model.functions) write(name, 'a line');
    const principal = { roleArn: 'any', sessionArn: 'any', accountId: place.accountId };
    const context = { 'aws:SecureTransport': 'false' };
    const asked = [
      ...model.queues.map(({ arn }) => ({ holder: arn, action: 'sqs:SendMessage', resource: arn })),
      ...model.buckets.flatMap(({ name }) => {
        const holder = `arn:aws:s3:::${name}`;
        return [holder, `${holder}/seeds/r1.json`].map((resource) => ({ holder, action: 's3:GetObject', resource }));
      }),
    ];
    const letIn = asked.filter(
      ({ holder, ...request }) => policies.resources.get(holder)?.decide({ ...request, context, principal }) !== 'deny',
    );
    return { kept, letIn };
  } catch (error) {
    if (error instanceof TemplateError) return error.code;
    throw error;
  }
}

/** Of each function, the rights in the same places of their lists are taken away at the same time. */
function inGroups(rights: readonly Right[]): Right[][] {
  const byHolder = Map.groupBy(rights, ({ holder }) => holder);
  const longest = Math.max(0, ...[...byHolder.values()].map(({ length }) => length));
  return Array.from({ length: longest }, (_, at) => [...byHolder.values()].flatMap((list) => list[at] ?? []));
}

/** `FetchTroopsRole` is fetchTroops's. */
const functionOf = ({ holder }: Right): string =>
  holder.replace(/Role$/, '').replace(/^./, (first) => first.toLowerCase());

const isFetch = (right: Right): boolean => chain.some((row) => row.function === functionOf(right));

function partition<Item>(items: readonly Item[], belongs: (item: Item) => boolean): [Item[], Item[]] {
  return [items.filter(belongs), items.filter((item) => !belongs(item))];
}

type Ask = (
  packaged: Packaged,
  names: ReadonlySet<string>,
  change: (template: Properties) => Properties,
) => Promise<Answers>;

const unchanged = (template: Properties): Properties => template;

/** Asks with each of the rights taken away. @returns the rights that nobody missed */
async function unmissed(packaged: Packaged, rights: readonly Right[], ask: Ask): Promise<Right[]> {
  const all = new Set(rights.map(functionOf));
  const [usual, again] = await Promise.all([ask(packaged, all, unchanged), ask(packaged, all, unchanged)]);
  // Otherwise any difference could be chance.
  expect(again).toEqual(usual);
  const left: Right[] = [];
  const groups = inGroups(rights);
  const lane = async (): Promise<void> => {
    for (let group = groups.pop(); group !== undefined; group = groups.pop()) {
      const taken = group;
      const change = (template: Properties): Properties =>
        taken.reduce((from, right) => right.removedFrom(from), template);
      const answers = await ask(packaged, new Set(taken.map(functionOf)), change);
      const isMissed = (right: Right): boolean =>
        !isDeepStrictEqual(answers[functionOf(right)], usual[functionOf(right)]);
      left.push(...taken.filter((right) => !isMissed(right)));
    }
  };
  await Promise.all(Array.from({ length: lanes }, lane));
  return left;
}

describe('each right is missed when it is taken away', () => {
  const directRights = rightsOf(direct.template);
  const known = new Set(directRights.map(({ name }) => name));
  // With queues most is the same; what is not has other names.
  const queueRights = rightsOf(queue.template).filter(({ name }) => !known.has(name));
  const needless = new Set<string>();

  beforeAll(async () => {
    const complete = await completeRun();
    const probing =
      (
        work: (probe: Probe, names: ReadonlySet<string>) => Promise<Answers>,
        options: Partial<EngineOptions> = {},
      ): Ask =>
      (packaged, names, change) =>
        withEngine(packaged, { ...silent, ...options, template: (template) => change(unpolled(template)) }, (engine) =>
          work(new Probe(engine, complete), names),
        );
    const ask = probing((probe, names) => probe.run(names));
    const askPaused = probing((probe, names) => probe.runPaused(names));
    const askMessages: Ask = async (packaged, names, change) => {
      const dataDir = mkdtempSync(join(tmpdir(), 's3-cascade-rights-'));
      try {
        const answers = await probing((probe) => probe.runMessages(names), { dataDir })(packaged, names, change);
        for (const [name, found] of Object.entries(answers))
          found.push(whatSqsSaid(join(dataDir, 'logs', `${packaged.stackName}-${name}.log`)));
        return answers;
      } finally {
        rmSync(dataDir, { recursive: true, force: true });
      }
    };
    const askFrozen = oneByOne(probing((probe, names) => probe.runFrozen(names, refuseOnce)));
    for (const [packaged, rights, asks] of [
      [direct, directRights, [ask, askPaused, askFrozen]],
      [queue, queueRights, [ask, askMessages]],
    ] as const) {
      const usual = lookAt(packaged, packaged.template);
      let left = rights.filter((right) =>
        isDeepStrictEqual(lookAt(packaged, right.removedFrom(packaged.template)), usual),
      );
      for (const [at, asking] of asks.entries()) {
        // After the first, only the fetch functions are asked.
        const [asked, others] = partition(left, (right) => at === 0 || isFetch(right));
        left = [...others, ...(await unmissed(packaged, asked, asking))];
      }
      for (const { name } of left) needless.add(name);
    }
  }, 180_000);

  /** For another API: a leaf's fetch may ask for its item, and ours has all that it needs in the key. */
  const forOthers = /^FetchDataRole ReadItems: Resource .*\/data_groups\/\*"$/;

  test.each([...directRights, ...queueRights].map(({ name }) => name).filter((name) => !forOthers.test(name)))(
    '%s',
    (name) => {
      // Nobody misses it: take it away.
      expect([...needless]).not.toContain(name);
    },
  );
});

/** In the whole log: its tail, which an invocation can answer with, may hold nothing but the last error's stack. */
function whatSqsSaid(logFile: string): string | undefined {
  return /ReceiptHandleIsInvalid|AccessDenied/.exec(readFileSync(logFile, 'utf8'))?.[0];
}

/** For what changes the one Hermes that all engines ask. */
function oneByOne(ask: Ask): Ask {
  let last: Promise<unknown> = Promise.resolve();
  return (...asked) => {
    const answers = last.then(() => ask(...asked));
    last = answers.catch(() => undefined);
    return answers;
  };
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
function refuseOnce({ level }: Level, ids: readonly string[]): void {
  const key = callKey(level.replace('_', '-') as CallPath, ids);
  hermes.clearCalls();
  hermes.configure({ overrides: { [key]: { status: 429, headers: { 'retry-after': '1' }, body: '{}' } } });
  const timer = setInterval(() => {
    if (!hermes.calls().some(({ status }) => status === 429)) return;
    clearInterval(timer);
    hermes.configure({ overrides: {} });
  }, 5);
}
