/** When what is in the bucket is deleted, by the lifecycle rules that are derived from the parameters. */
import { describe, expect, test } from '@jest/globals';
import { at, type Template } from '../../infra/compiled.ts';
import { overlap } from '../../infra/key-patterns.ts';
import { chainOf, compile, deploymentOf } from './neutral.ts';

type Rule = { Status: string; Prefix?: string; ExpirationInDays?: number };

const chain = chainOf(4);

/** Days until each prefix expires. */
function daysOf(given: Record<string, string>): Record<string, number> {
  const template: Template = compile(deploymentOf(chain, given));
  const rules = at(template.Resources['S3BucketCascade'], 'Properties', 'LifecycleConfiguration', 'Rules') as Rule[];
  const expiring = rules.flatMap(({ Prefix: prefix, ExpirationInDays: days }) =>
    prefix === undefined || days === undefined ? [] : [[prefix, days] as const],
  );
  return Object.fromEntries(expiring);
}

const results = chain.levels.map(({ writes }) => `${writes}/`);

describe('by default', () => {
  test('the seed goes first, then the records of its run, then the marker that it is finished; the results stay', () => {
    expect(daysOf({})).toEqual({
      'seeds/': 90,
      'receipts/': 97,
      'failures/': 97,
      'params/': 97,
      'runs/': 97,
      'finished/': 104,
    });
  });

  test('what people set under control/ stays, and no rule takes what another prefix has', () => {
    const prefixes = Object.keys(daysOf({ keepDataDays: '30', keepRecordsDays: '20' }));
    expect(prefixes).toHaveLength(10);
    expect(prefixes).not.toContain('control/');
    for (const a of prefixes) for (const b of prefixes) expect(a === b || !overlap(`${a}*`, `${b}*`)).toBe(true);
  });
});

test('the seed goes before the results, when these go before the receipts would', () => {
  const days = daysOf({ keepDataDays: '30', keepRecordsDays: '60' });
  expect(days['seeds/']).toBe(30);
  for (const prefix of results) expect(days[prefix]).toBe(37);
  expect(days['receipts/']).toBe(67);
});

test('what is kept for ever has no rule', () => {
  expect(daysOf({ keepRecordsDays: 'forever' })).toEqual({});
});

test('nothing is kept for less than the fourteen days that a dead letter lives', () => {
  const deploy = (): unknown => deploymentOf(chain, { keepRecordsDays: '13', keepDataDays: 'soon' });
  const allowed = 'must be a whole number of days, at least 14, or forever';
  expect(deploy).toThrow(`keepRecordsDays ${allowed}, not 13.\nkeepDataDays ${allowed}, not soon.`);
});
