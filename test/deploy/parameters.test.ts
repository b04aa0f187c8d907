/** The parameters: one table, which serverless.yml and docs/settings.md agree with, and which invalid values are refused by. */
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { packageService } from '../../local-aws/index.ts';
import { parameterNameProblems, parameters } from '../../infra/parameters.ts';
import { settingsPage } from '../../infra/settings-page.ts';
import { loadChain, sourcesIn } from '../../infra/source.ts';
import { derivedResources } from '../../infra/variables.ts';
import { chainOf, deploymentOf } from './neutral.ts';
import { serviceDir } from './variants.ts';

test("serverless.yml shows every parameter with the table's default", () => {
  const written = readFileSync(join(serviceDir, 'serverless.yml'), 'utf8');
  const [, block = ''] = /^params:\n  default:\n((?: {4}.*\n)+)/m.exec(written) ?? [];
  const shown = [...block.matchAll(/^ {4}(\w+): (.*)$/gm)].map(([, name, value = '']) => [
    name,
    value.replace(/^''$/, ''),
  ]);
  const table = Object.entries(parameters).map(([name, { default: text }]) => [name, text]);
  expect(Object.fromEntries(shown)).toEqual(Object.fromEntries(table));
});

test('docs/settings.md is made from the table: `npm run pages` writes it', () => {
  expect(readFileSync(join(serviceDir, 'docs/settings.md'), 'utf8')).toBe(settingsPage());
});

test('every default but the address is valid, and is read as what it says', () => {
  expect(deploymentOf(chainOf(2)).parameters).toMatchObject({
    apiUrl: '',
    apiTokenSecret: undefined,
    rate: 10,
    trigger: 'direct',
    dashboard: true,
    keepDataDays: 'forever',
  });
});

describe.each([
  ['ratePrefix', 'apis/', 'ratePrefix is of no use without rateBucket'],
  ['rateBucket', 'My Bucket', "rateBucket must be a bucket's name"],
  ['rate', 'many', 'rate must be a number of requests a second up to 100000, auto, or unlimited, not many.'],
  ['rate', '0.01', 'rate must be at least'],
  ['trigger', 'sns', 'trigger must be direct or queue, not sns.'],
  ['callRetries', '20', 'callRetries must be a whole number from 0 to 10, not 20.'],
  ['callTimeoutMs', '', 'callTimeoutMs is empty, not empty.'],
  ['batchSize', '11', 'batchSize must be a whole number from 1 to 10, not 11.'],
  ['queueRetention', '1209600', 'queueRetention must be a whole number from 60 to 1123200, not 1209600.'],
  ['sweepEvery', 'rate(4 days)', 'sweepEvery must be three and a half days at most, not rate(4 days).'],
  ['rateEvery', 'rate(1 minutes)', 'rateEvery must be a schedule, e.g.'],
  ['autoReplay', 'yes', 'autoReplay must be true or false, not yes.'],
  ['autoReplayLimit', '0', 'autoReplayLimit must be a whole number from 1'],
  ['logRetentionDays', '15', 'logRetentionDays must be one of 1, 3, 5,'],
  ['alarmTopicArn', 'alarms', 'alarmTopicArn must be the ARN of an SNS topic, or empty, not alarms.'],
] as const)('%s=%s', (name, value, message) => {
  test('is refused, saying what is allowed', () => {
    expect(() => derivedResources(deploymentOf(chainOf(4), { [name]: value }))).toThrow(message);
  });
});

test.each([
  ['apiUrl', 'https://user:hunter2@api.example.com'],
  ['apiUrl', 'https://api.example.com/?key=hunter2'],
  ['apiTokenSecret', 'Bearer hunter2'],
  ['apiTokenSecret', 'hunter2 with a space'],
] as const)('%s is refused when it holds a credential, and is not shown', (name, value) => {
  const deploy = (): unknown => deploymentOf(chainOf(2), { [name]: value });
  expect(deploy).toThrow(name);
  expect(deploy).not.toThrow('hunter2');
});

test('a level may not need more environments than a queue has', () => {
  const many = { trigger: 'queue', rate: '10000', expectedCallMs: '60000' };
  expect(() => deploymentOf(chainOf(1), many)).toThrow(/^The level leaf would need 60000 environments;/);
});

test('names of version 0.1 say what they are called now, and unknown names which there are', () => {
  const old = ['hermesUrl', 'hermesTokenSecret', 'hermesRate', 'weightData', 'environmentsData'];
  expect(parameterNameProblems(old, new Set())).toEqual([
    'There is no parameter hermesUrl any more: it is apiUrl now.',
    'There is no parameter hermesTokenSecret any more: it is apiTokenSecret now.',
    'There is no parameter hermesRate any more: it is rate now.',
    'There is no parameter weightData any more: the levels at work share the rate without weights.',
    expect.stringMatching(/environmentsData any more: a level's environments stand in its source's chain.ts now/),
  ]);
  expect(parameterNameProblems(['trigerr', 'mine', 'rate'], new Set(['mine']))).toEqual([
    expect.stringMatching(/^There is no parameter trigerr; the parameters are alarmOnSchemaChange, alarmTopicArn, /),
  ]);
});

test('`sls package` shows everything that is wrong, in lines without a stack', async () => {
  const params = {
    hermesUrl: 'https://api.example.com',
    callRetries: '20',
    apiUrl: 'https://u:hunter2@api.example.com',
  };
  const packaged = packageService({ serviceDir, params });
  await expect(packaged).rejects.toThrow(
    /^apiUrl must not contain a user.*\ncallRetries must be a whole number from 0 to 10, not 20\.\nThere is no parameter hermesUrl any more: it is apiUrl now\.$/m,
  );
  await expect(packaged).rejects.not.toThrow(/hunter2|^ {4}at |Cannot resolve/m);
});

describe('a source', () => {
  let folder: string;
  beforeAll(() => {
    folder = mkdtempSync(join(tmpdir(), 's3-cascade-sources-'));
    const engine = JSON.stringify(join(serviceDir, 'shared/engine/chain/chain-problems.ts'));
    const sources = {
      good: `import { checkedChain } from ${engine};\nexport default checkedChain({ levels: [{ name: 'leaf', children: 'one' }] });`,
      wrong: `import { checkedChain } from ${engine};\nexport default checkedChain({ levels: [{ name: 'Top', children: 'many', id: 'run' }] });`,
      empty: 'export const chain = 1;',
      broken: "throw new Error('no network here');",
    };
    for (const [name, text] of Object.entries(sources)) {
      mkdirSync(join(folder, name));
      writeFileSync(join(folder, name, 'chain.ts'), text);
    }
    mkdirSync(join(folder, 'notes'));
  });
  afterAll(() => rmSync(folder, { recursive: true, force: true }));

  test('is a folder with a chain.ts', async () => {
    expect(sourcesIn(folder)).toEqual(['broken', 'empty', 'good', 'wrong']);
    expect((await loadChain('good', folder)).levels.map(({ function: name }) => name)).toEqual(['fetchLeaf']);
  });

  test('that does not exist is refused with those that do', async () => {
    await expect(loadChain('nope', folder)).rejects.toThrow(
      'There is no source "nope": sources/nope/chain.ts does not exist. The sources are broken, empty, good, wrong.',
    );
  });

  test('that is declared wrongly is refused with all that is wrong', async () => {
    await expect(loadChain('wrong', folder)).rejects.toMatchObject({
      name: 'DeploymentError',
      problems: [
        expect.stringMatching(/^sources\/wrong: level Top: name must be/),
        expect.stringMatching(/^sources\/wrong: level Top: id must be/),
        expect.stringMatching(/^sources\/wrong: level Top: kind must be a result/),
      ],
    });
  });

  test.each([
    ['empty', 'sources/empty/chain.ts must export a chain as its default'],
    ['broken', 'sources/broken/chain.ts can not be loaded: no network here'],
  ])('that can not be used is refused: %s', async (name, message) => {
    await expect(loadChain(name, folder)).rejects.toThrow(message);
  });
});
