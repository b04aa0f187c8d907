/** What deploying the example again does to its stack: what stays what it is, what comes and goes, and what outlives it. */
import { beforeAll, describe, expect, test } from '@jest/globals';
import { at, listOf, ofType, type Template } from '../../infra/compiled.ts';
import { chainOf, compile, deploymentOf } from './neutral.ts';
import { cycleIn, referencesOf } from './references.ts';
import { packageVariant, variantNames, type Variant } from './variants.ts';

const templates = new Map<Variant, Template>();
beforeAll(async () => {
  for (const name of variantNames) templates.set(name, (await packageVariant(name)).template);
});
const templateOf = (name: Variant): Template => {
  const template = templates.get(name);
  if (template === undefined) throw new Error(`${name} was not packaged.`);
  return template;
};

/** Resources that a change of the trigger makes and removes. */
const comeAndGo =
  /Trigger(Policy|Mapping|Alarm)?$|LambdaPermissionCascadeS3$|^LostDeadLettersAlarm$|^CascadeDashboard$/;

test('a change of parameters changes resources in place: only what is of one trigger comes and goes', () => {
  const stay = (name: Variant): string[] =>
    Object.entries(templateOf(name).Resources)
      .filter(([id]) => !comeAndGo.test(id))
      .map(([id, { Type: type }]) => `${id} ${type}`)
      .sort();
  for (const name of variantNames) expect(stay(name)).toEqual(stay('direct'));
});

test('what has a name keeps it, so that nothing is replaced; only the bucket has another where one is given', () => {
  const names = (name: Variant): Record<string, unknown> =>
    Object.fromEntries(
      Object.entries(templateOf(name).Resources)
        .filter(([id]) => !comeAndGo.test(id))
        .map(([id, { Properties: properties }]) => [
          id,
          ['FunctionName', 'QueueName', 'LogGroupName', 'AlarmName', 'BucketName'].map((key) => properties?.[key]),
        ]),
    );
  expect(names('queue')).toEqual(names('direct'));
  const { S3BucketCascade: bucket, ...others } = names('direct, unlimited, every option');
  expect(names('direct')).toMatchObject(others);
  expect(bucket).toContain('another-bucket');
});

test('two stages side by side share no name', () => {
  const chain = chainOf(4);
  const named = (template: Template): string[] =>
    Object.values(template.Resources).flatMap(({ Properties: properties = {} }) =>
      ['FunctionName', 'QueueName', 'LogGroupName', 'AlarmName', 'BucketName', 'DashboardName']
        .map((key) => at(properties[key], 'Fn::Sub') ?? properties[key])
        .filter((name) => typeof name === 'string'),
    );
  const template = compile(deploymentOf(chain, {}, 'prod'));
  const dev = new Set(named(compile(deploymentOf(chain, {}, 'dev'))));
  expect(dev.size).toBeGreaterThan(25);
  expect(named(template).filter((name) => dev.has(name))).toEqual([]);
});

describe.each(variantNames)('%s', (name) => {
  test('the bucket is kept when the stack is removed, and when another takes its place', () => {
    expect(templateOf(name).Resources['S3BucketCascade']).toMatchObject({
      DeletionPolicy: 'Retain',
      UpdateReplacePolicy: 'Retain',
    });
  });

  test('no resource needs itself, directly or through others', () => {
    expect(cycleIn(referencesOf(templateOf(name)))).toBeUndefined();
  });

  test('S3 may do what the notifications say before they are set', () => {
    const template = templateOf(name);
    const before = new Set(listOf(template.Resources['S3BucketCascade']?.DependsOn).map(String));
    const allowing = Object.keys(template.Resources).filter((id) => /CascadeS3$|TriggerPolicy$/.test(id));
    expect([...before].sort()).toEqual(allowing.sort());
  });

  test('no right is for every resource, and all data and messages are encrypted and over TLS only', () => {
    const template = templateOf(name);
    for (const [id, role] of ofType(template, 'AWS::IAM::Role')) {
      const statements = listOf(role['Policies']).flatMap((policy) =>
        listOf(at(policy, 'PolicyDocument', 'Statement')),
      );
      for (const statement of statements) {
        expect([id, at(statement, 'Action')]).not.toEqual([id, expect.stringContaining('*')]);
        for (const resource of listOf(at(statement, 'Resource')))
          expect(JSON.stringify(resource)).not.toMatch(/^"\*"$|:::\*|:\*:\*/);
      }
    }
    for (const [, queue] of ofType(template, 'AWS::SQS::Queue'))
      expect(queue).toMatchObject({ SqsManagedSseEnabled: true });
    const guarded = [
      ...ofType(template, 'AWS::SQS::QueuePolicy').flatMap(([, policy]) => listOf(policy['Queues'])),
      ...ofType(template, 'AWS::S3::BucketPolicy').map(([, policy]) => policy['Bucket']),
    ].map((ref) => String(at(ref, 'Ref')));
    const all = [...ofType(template, 'AWS::SQS::Queue'), ...ofType(template, 'AWS::S3::Bucket')].map(([id]) => id);
    expect(guarded.filter((id) => id !== 'ServerlessDeploymentBucket').sort()).toEqual(
      all.filter((id) => id !== 'ServerlessDeploymentBucket').sort(),
    );
  });
});

test('a cycle is found, whatever makes it', () => {
  const template = {
    Resources: {
      A: { Type: 'T', Properties: { x: [{ 'Fn::GetAtt': ['B', 'Arn'] }] } },
      B: { Type: 'T', Properties: { y: { 'Fn::Sub': '${AWS::Region}/${C.Arn}/${!A}' } } },
      C: { Type: 'T', DependsOn: ['D'] },
      D: { Type: 'T', Properties: { z: { Ref: 'A' } } },
    },
  };
  expect(cycleIn(referencesOf(template))).toEqual(['A', 'B', 'C', 'D', 'A']);
  expect(cycleIn(referencesOf({ Resources: { ...template.Resources, D: { Type: 'T' } } }))).toBeUndefined();
});
