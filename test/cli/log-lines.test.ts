/** What `npm run local` shows of the functions' logs. */
import { expect, test } from '@jest/globals';
import { createTroubleLines } from '../../cli/run/log-lines.ts';

const name = 's3-cascade-dev-fetchUsers';
const failed = (key: string, message = 'The API said no.'): string =>
  JSON.stringify({
    level: 'WARN',
    message: 'The item failed.',
    key,
    error: { name: 'ItemError', code: 'HTTP_404', message },
  });
const thrown = (errorMessage: string): string =>
  `2026-11-20T00:00:00.000Z\t1\tERROR\tInvoke Error \t${JSON.stringify({ errorType: 'ItemError', errorMessage, trace: [] })}`;

test('warnings and errors are shown in one line with function, reason and key; everything else is not', () => {
  const troubleOf = createTroubleLines();
  expect(troubleOf(name, failed('users/r1/a.json'))).toBe(
    'fetchUsers: warning: The item failed. HTTP_404: The API said no. (users/r1/a.json)',
  );
  for (const line of [
    JSON.stringify({ level: 'INFO', message: 'Done.' }),
    'START RequestId: 1 Version: $LATEST',
    'REPORT RequestId: 1\tDuration: 1.00 ms',
    '{"_aws":{}}',
    '{not JSON',
    'a text of a library',
  ])
    expect(troubleOf(name, line)).toBeUndefined();
});

test('what a handler throws is shown, unless it repeats what was logged', () => {
  const troubleOf = createTroubleLines();
  expect(troubleOf(name, thrown('No\nbucket'))).toBe('fetchUsers: failed: ItemError: No bucket');
  troubleOf(name, failed('users/r1/a.json'));
  expect(troubleOf(name, thrown('HTTP_404: The API said no.'))).toBeUndefined();
});

test('a timeout and a crash are shown as Lambda words them', () => {
  const troubleOf = createTroubleLines();
  const line = '2026-11-20T00:00:00.000Z 1 Task timed out after 300.00 seconds';
  expect(troubleOf(name, line)).toBe(`fetchUsers: ${line}`);
});

test('of many lines that say the same, a few are shown, with their number', () => {
  const troubleOf = createTroubleLines();
  const shown = Array.from({ length: 250 }, (_, at) => troubleOf(name, failed(`users/r1/${at}.json`, `No ${at}.`)));
  const lines = shown.filter((line) => line !== undefined);
  expect(lines).toHaveLength(5);
  expect(lines.at(-1)).toContain('(200 like it)');
  expect(troubleOf('s3-cascade-dev-fetchOther', failed('x'))).toBeDefined();
});
