/** The command line of both commands: every mistake is one line that says what is allowed. */
import { describe, expect, test } from '@jest/globals';
import { flag, helpOf, number, readOptions, refuseSwallowed, UsageError, whole } from '../../cli/terminal/options.ts';
import { checkRunName } from '../../cli/terminal/run-name.ts';
import { serveOptions, startOptions, todaysRun } from '../../cli/run/options.ts';

/** As with a fake's options. */
const table = {
  ...startOptions,
  shops: whole(0, 100_000, 'shops'),
  'fail-rate': number(0, 1, 'failures'),
  odd: flag('odd ids'),
};
const read = (...args: string[]) => readOptions(table, args, 'npm start --');

describe('the options of npm start', () => {
  test('are numbers, texts and flags, and what is not given is absent', () => {
    expect(read('--shops', '20', '--fail-rate=0.01', '--run', 'r1', '--json')).toEqual({
      shops: 20,
      'fail-rate': 0.01,
      run: 'r1',
      json: true,
    });
    expect(read()).toEqual({});
  });

  test.each([
    [['--shosp', '3'], 'Unknown option --shosp. npm start -- --help lists them.'],
    [['--constructor', '3'], 'Unknown option --constructor. npm start -- --help lists them.'],
    [['20'], '"20" is not an option. npm start -- --help lists them.'],
    [['--shops'], '--shops needs a value: a whole number from 0 to 100000.'],
    [['--shops='], '--shops needs a value: a whole number from 0 to 100000.'],
    [['--shops', 'many'], '--shops must be a whole number from 0 to 100000, not "many".'],
    [['--shops', '1.5'], '--shops must be a whole number from 0 to 100000, not "1.5".'],
    [['--shops', '1e3'], '--shops must be a whole number from 0 to 100000, not "1e3".'],
    [['--port', '-1'], '--port must be a whole number from 0 to 65535, not "-1".'],
    [['--fail-rate', '1.01'], '--fail-rate must be a number from 0 to 1, not "1.01".'],
    [['--rate', 'fast'], '--rate must be a number from 0.1 to 100000, or auto, not "fast".'],
    [['--json=yes'], '--json takes no value.'],
    [['--shops', '1', '--shops', '2'], '--shops is given twice.'],
    [['--data-dir'], '--data-dir needs a value: DIR.'],
  ])('%j is refused in one line', (args, message) => {
    expect(() => read(...args)).toThrow(new UsageError(message));
  });

  test('of one kind may be given more than once', () => {
    expect(read('--only', 'shop=a', '--only=shelf=1,2')).toEqual({ only: ['shop=a', 'shelf=1,2'] });
  });

  test('that npm took for itself are asked for again, with the -- that keeps them', () => {
    const env = { npm_config_shops: '5' };
    expect(() => refuseSwallowed(table, env, 'npm start --')).toThrow(
      'npm took --shops for itself. Put -- before the options: npm start -- --shops …',
    );
    expect(() => refuseSwallowed(table, { npm_config_json: 'true' }, 'npm start --')).not.toThrow();
  });

  test('hold every option of the help, in lines that fit a terminal', () => {
    for (const options of [startOptions, serveOptions]) {
      const help = helpOf(options);
      for (const name of Object.keys(options)) expect(help).toContain(`--${name}`);
      for (const line of help.split('\n')) expect(line.length).toBeLessThanOrEqual(100);
    }
  });
});

describe('a run’s name', () => {
  test('is today’s date where the person is', () => {
    expect(todaysRun(new Date(2026, 10, 5, 23, 59))).toBe('2026-11-05');
  });

  test.each(['', 'a/b', '_x', '../x', 'a'.repeat(65), 'a b'])('%j is refused', (run) => {
    expect(() => checkRunName(run)).toThrow(UsageError);
  });
});
