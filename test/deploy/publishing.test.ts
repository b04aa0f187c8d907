/** What a deployment has for publishing, derived in memory for a chain that makes tables; and nothing of it where none are made. */
import { describe, expect, test } from '@jest/globals';
import { at, environmentOf, listOf, propertiesOf, type Template } from '../../infra/compiled.ts';
import { chainProblems } from '../../infra/chain-rules.ts';
import { functionId, invokeConfigId, queueId } from '../../infra/names.ts';
import { settingsProblems } from '../../infra/settings-rules.ts';
import { checkedChain } from '../../shared/engine/chain/chain-problems.ts';
import { listPublishLevels } from '../../shared/engine/publish/publish-levels.ts';
import { expiryRules } from '../../infra/expiry.ts';
import { chainOf, compile, deploymentOf } from './neutral.ts';

const chain = checkedChain({
  levels: [
    { name: 'top', children: 'many', id: 'id1', table: { name: 'tops', columns: [], raw: true } },
    { name: 'leaf', prefix: 'results', children: 'one', table: { name: 'leaf', columns: [], raw: true } },
  ],
});
const direct = compile(deploymentOf(chain));
const queue = compile(deploymentOf(chain, { trigger: 'queue', rate: '20' }));
const rulesOf = (template: Template): unknown[] =>
  listOf(at(propertiesOf(template, 'S3BucketCascade'), 'NotificationConfiguration', 'LambdaConfigurations'));

describe.each([
  ['direct', direct],
  ['queue', queue],
])('with the trigger %s', (_, template) => {
  test.each([
    ['publish', 'results/', '/_SUCCESS'],
    ['publishPiece', 'pieces/', '.json'],
  ])('S3 invokes %s itself for %s…%s, with retries and a dead-letter queue', (name, prefix, suffix) => {
    const own = rulesOf(template).filter((rule) => at(rule, 'Function', 'Fn::GetAtt', 0) === functionId(name));
    expect(own).toMatchObject([
      {
        Filter: {
          S3Key: {
            Rules: [
              { Name: 'prefix', Value: prefix },
              { Name: 'suffix', Value: suffix },
            ],
          },
        },
      },
    ]);
    const level = listPublishLevels(chain).find((each) => each.function === name) ?? { name: '' };
    const id = queueId(level, 'dead-letters');
    expect(propertiesOf(template, invokeConfigId(name))).toMatchObject({
      MaximumRetryAttempts: 2,
      DestinationConfig: { OnFailure: { Destination: { 'Fn::GetAtt': [id, 'Arn'] } } },
    });
    expect(propertiesOf(template, `${id}Alarm`)).toMatchObject({ MetricName: 'ApproximateNumberOfMessagesVisible' });
    expect(environmentOf(template, functionId('replay'))).toHaveProperty(`TARGET_${level.name.toUpperCase()}`);
  });

  test('the rules find nothing wrong with it, and each function starts with its settings', () => {
    expect(chainProblems(template, chain)).toEqual([]);
    expect(settingsProblems(template, chain)).toEqual([]);
  });
});

test.each([
  ['publish is false', compile(deploymentOf(chain, { publish: 'false' }))],
  ['no level makes a table', compile(deploymentOf(chainOf(2)))],
])('there is nothing of it when %s', (_, template) => {
  expect(Object.keys(template.Resources).filter((id) => id.startsWith('Publish'))).toEqual([]);
  expect(rulesOf(template).filter((rule) => JSON.stringify(rule).includes('Publish'))).toEqual([]);
});

test('a changed schema is an alarm only if a person wants that', () => {
  expect(direct.Resources).not.toHaveProperty('ChangedSchemaAlarm');
  const alarmed = compile(deploymentOf(chain, { alarmOnSchemaChange: 'true' }));
  expect(propertiesOf(alarmed, 'ChangedSchemaAlarm')).toMatchObject({ MetricName: 'IncompatibleTables' });
});

test('the record of a publication expires after the marker that its run is finished: it is not published anew', () => {
  const rules = expiryRules(deploymentOf(chain, { keepDataDays: '30' })) as {
    Prefix: string;
    ExpirationInDays: number;
  }[];
  const days = new Map(rules.map((rule) => [rule.Prefix, rule.ExpirationInDays]));
  expect(days.get('publications/')).toBeGreaterThan(days.get('finished/') ?? Infinity);
  expect(days.get('tables/')).toBe(days.get('results/'));
});

describe('the dashboard', () => {
  const titlesOf = (template: Template): string[] => {
    const { 'Fn::Sub': body } = at(propertiesOf(template, 'CascadeDashboard'), 'DashboardBody') as {
      'Fn::Sub': string;
    };
    const { widgets } = JSON.parse(body) as { widgets: { properties: { title: string } }[] };
    return widgets.map(({ properties: { title } }) => title);
  };

  test('has a row for publishing, with its invocations, durations, rows and dead letters', () => {
    expect(titlesOf(direct).filter((title) => /publish/i.test(title))).toEqual([
      'Publishing: invocations, and errors',
      'Publishing: how long it takes',
      'Rows published, and tables whose columns changed',
      'Publishing: dead letters',
    ]);
  });

  test('has none where nothing is published', () => {
    expect(
      titlesOf(compile(deploymentOf(chain, { publish: 'false' }))).filter((title) => /publish/i.test(title)),
    ).toEqual([]);
  });
});
