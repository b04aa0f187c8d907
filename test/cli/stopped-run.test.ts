/** `npm run run` against `npm run local`, as a person with the exported variables runs them; with the example and its fake API. */
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { createCommands, type Ended } from './command-process.ts';
import { startLocalStage, type LocalStage } from './local-stage.ts';

const commands = createCommands();
let stage: LocalStage;
beforeAll(async () => {
  stage = await startLocalStage(commands);
});
afterAll(() => commands.close());

const run = (...args: string[]): Promise<Ended> => stage.run('run', args);
const status = (...args: string[]): Promise<Ended> => stage.run('status', args);

const put = (key: string, body: string) => stage.put(key, body);

const setting = (): Promise<unknown> => stage.read('control/runs/r1.json');

test('pauses a run before its first call, says so in its status, and resumes it to complete', async () => {
  await put('control/runs/r1.json', '{"state":"paused"}');
  await put('seeds/r1.json', '{}');
  expect(await run('pause', '--run', 'r1')).toEqual({
    status: 0,
    stdout: 'The run r1 was paused already.\n',
    stderr: '',
  });
  const paused = await status('--run', 'r1');
  expect([paused.status, paused.stdout]).toEqual([
    2,
    expect.stringMatching(/^Run r1 is PAUSED\.\nSince \S+\nTo continue: npm run run -- resume --run r1\n/),
  ]);
  expect((await status()).stdout).toMatch(/^r1: (paused|no report yet)/);
  const resumed = await run('resume', '--run', 'r1');
  expect([resumed.status, resumed.stdout]).toEqual([0, 'The run r1 is resumed: its items that waited are requeued.\n']);
  const watched = await status('--run', 'r1', '--watch');
  expect([watched.status, watched.stdout]).toEqual([0, expect.stringMatching(/r1: complete, 4 of 4 items done/)]);
});

test('cancels a run with --yes and a reason, and tells of it as JSON', async () => {
  await put('seeds/r1.json', '{}');
  const cancelled = await run('cancel', '--run', 'r1', '--yes', '--reason', 'too dear', '--json');
  expect(JSON.parse(cancelled.stdout)).toMatchObject({ run: 'r1', state: 'cancelled', reason: 'too dear' });
  expect(await setting()).toMatchObject({ state: 'cancelled', reason: 'too dear', at: expect.any(String) });
  expect((await run('resume', '--run', 'r1')).stdout).toMatch(/re-fires what is open/);
  expect(await setting()).toMatchObject({ state: 'running', cancelled: { from: expect.any(String) } });
});

test.each([
  [['stop', '--run', 'r1'], 'Say what to do: pause, resume or cancel.'],
  [[], 'Say what to do: pause, resume or cancel.'],
  [['pause'], 'pause needs --run NAME.'],
  [['pause', '--run', '_r'], '--run must be 1 to 64 of A-Z a-z 0-9 _ -'],
  [['pause', '--run', 'r9'], 'There is no run r9: there is no seed'],
  [['cancel', '--run', 'r1'], 'There is no terminal to ask on: cancel needs --yes.'],
])('%j is refused in one line', async (args, message) => {
  const refused = await run(...args);
  expect([refused.status, refused.stdout]).toEqual([3, '']);
  expect(refused.stderr).toContain(message);
  expect(refused.stderr.trim().split('\n')).toHaveLength(1);
});
