/** The command line of both commands: every mistake is one line that says what is allowed. */
import { describe, expect, test } from '@jest/globals';
import { helpOf, readOptions, refuseSwallowed, UsageError } from '../../cli/terminal/options.ts';
import { checkRunName } from '../../cli/terminal/run-name.ts';
import { serveOptions, startOptions, todaysRun } from '../../cli/run/run-options.ts';

const read = (...args: string[]) => readOptions(startOptions, args, 'npm start --');

describe('the options of npm start', () => {
  test('are numbers, texts and flags, and what is not given is absent', () => {
    expect(read('--troops', '20', '--fail-rate=0.01', '--run', 'r1', '--json')).toEqual({
      troops: 20,
      'fail-rate': 0.01,
      run: 'r1',
      json: true,
    });
    expect(read()).toEqual({});
  });

  test.each([
    [['--trops', '3'], 'Unknown option --trops. npm start -- --help lists them.'],
    [['--constructor', '3'], 'Unknown option --constructor. npm start -- --help lists them.'],
    [['20'], '"20" is no option. npm start -- --help lists them.'],
    [['--troops'], '--troops needs a value: a whole number from 0 to 100000.'],
    [['--troops='], '--troops needs a value: a whole number from 0 to 100000.'],
    [['--troops', 'many'], '--troops must be a whole number from 0 to 100000, not "many".'],
    [['--troops', '1.5'], '--troops must be a whole number from 0 to 100000, not "1.5".'],
    [['--troops', '1e3'], '--troops must be a whole number from 0 to 100000, not "1e3".'],
    [['--port', '-1'], '--port must be a whole number from 0 to 65535, not "-1".'],
    [['--fail-rate', '1.01'], '--fail-rate must be a number from 0 to 1, not "1.01".'],
    [['--json=yes'], '--json takes no value.'],
    [['--troops', '1', '--troops', '2'], '--troops is given twice.'],
    [['--data-dir'], '--data-dir needs a value: DIR.'],
  ])('%j is refused in one line', (args, message) => {
    expect(() => read(...args)).toThrow(new UsageError(message));
  });

  test('that npm took for itself are asked for again, with the -- that keeps them', () => {
    const env = { npm_config_troops: '5' };
    expect(() => refuseSwallowed(startOptions, env, 'npm start --')).toThrow(
      'npm took --troops for itself. Put -- before the options: npm start -- --troops …',
    );
    expect(() => refuseSwallowed(startOptions, { npm_config_json: 'true' }, 'npm start --')).not.toThrow();
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
