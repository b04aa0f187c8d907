/** When what lies in the bucket goes, by the lifecycle rules of the compiled template. */
import { describe, expect, test } from '@jest/globals';
import { packageService } from '../../local-aws/package/package-service.ts';
import { at, type Template } from '../../infra/compiled.ts';
import { overlap } from '../../infra/key-patterns.ts';
import { chain } from '../../shared/engine/chain/chain.ts';
import { packageVariant, serviceDir } from './variants.ts';

type Rule = { Status: string; Prefix?: string; ExpirationInDays?: number };

/** Days until each prefix expires. */
function daysOf(template: Template): Record<string, number> {
  const rules = at(template.Resources['S3BucketCascade'], 'Properties', 'LifecycleConfiguration', 'Rules') as Rule[];
  const expiring = rules.flatMap(({ Prefix: prefix, ExpirationInDays: days }) =>
    prefix === undefined || days === undefined ? [] : [[prefix, days] as const],
  );
  return Object.fromEntries(expiring);
}

const results = chain.map(({ writes }) => `${writes}/`);

describe('by default', () => {
  test('the seed goes first, then what is said of its run, then that it is finished; the results stay', async () => {
    const { template } = await packageVariant('direct');
    expect(daysOf(template)).toEqual({
      'seeds/': 90,
      'receipts/': 97,
      'failures/': 97,
      'runs/': 97,
      'finished/': 104,
    });
  });

  test('what people set under control/ stays, and no rule takes what another prefix has', async () => {
    const prefixes = Object.keys(daysOf((await packageVariant('direct, unlimited, every option')).template));
    expect(prefixes).not.toContain('control/');
    for (const a of prefixes) for (const b of prefixes) expect(a === b || !overlap(`${a}*`, `${b}*`)).toBe(true);
  });
});

test('the seed goes before the results, when these go before the receipts would', async () => {
  const { template } = await packageVariant('direct, unlimited, every option', { keepRecordsDays: '60' });
  const days = daysOf(template);
  expect(days['seeds/']).toBe(30);
  for (const prefix of results) expect(days[prefix]).toBe(37);
  expect(days['receipts/']).toBe(67);
});

test('what is kept for ever has no rule', async () => {
  const { template } = await packageVariant('queue, unlimited, kept for ever, no dashboard');
  expect(daysOf(template)).toEqual({});
});

test('nothing is kept for less than fourteen days: so long a dead letter lives', async () => {
  await expect(packageService({ serviceDir, params: { keepRecordsDays: '13', keepDataDays: 'soon' } })).rejects.toThrow(
    'keepRecordsDays must be a whole number of days, at least 14, or forever, not 13',
  );
});
