/** `npm run rate` against `npm run local`, as a person with the exported variables runs them; with the example and its fake API. */
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { HeadObjectCommand, NotFound } from '@aws-sdk/client-s3';
import { createCommands, type Ended } from './command-process.ts';
import { startLocalStage, type LocalStage } from './local-stage.ts';

const commands = createCommands();
let stage: LocalStage;
beforeAll(async () => {
  stage = await startLocalStage(commands);
  expect(stage.printed).toContain('npm run rate -- 10\n');
});
afterAll(() => commands.close());

const rate = (...args: string[]): Promise<Ended> => stage.run('rate', args);
const status = (...args: string[]): Promise<Ended> => stage.run('status', args);

const setting = (): Promise<unknown> => stage.read('control/rate.json');

/** Whether the first list has been read, which is the run's first call to the API. */
async function isFirstDone(run: string): Promise<boolean> {
  try {
    await stage.s3.send(
      new HeadObjectCommand({ Bucket: stage.exported['BUCKET'], Key: `receipts/troops/${run}.json` }),
    );
    return true;
  } catch (error) {
    if (error instanceof NotFound) return false;
    throw error;
  }
}

test('shows, sets, pauses and resumes; a pause keeps the rate and makes no call', async () => {
  expect(await rate()).toEqual({
    status: 0,
    stdout: '20 requests a second, as deployed.\nUsed: 0.0 of 20 requests a second (0%): no function is at work.\n',
    stderr: '',
  });
  expect((await rate('5')).stdout).toMatch(/^5 requests a second; deployed with 20\.\nUsed: 0\.0 of 5 /);
  expect(await setting()).toEqual({ requestsPerSecond: 5 });
  expect((await rate('pause')).stdout).toBe(
    'PAUSED; after that 5 requests a second; deployed with 20.\nUsed: 0.0 of 5 requests a second (0%): the calls are paused.\n',
  );
  expect(await setting()).toEqual({ requestsPerSecond: 5, paused: true });

  await stage.put('seeds/r1.json', '{}');
  // The item waits once its function has looked at the rate.
  while (!(await rate()).stdout.includes('Waiting: troops 1.\n'));
  expect(await isFirstDone('r1')).toBe(false);
  expect(JSON.parse((await rate('resume', '--json')).stdout)).toMatchObject({ paused: false, requestsPerSecond: 5 });
  const watched = await status('--run', 'r1', '--watch');
  expect([watched.status, watched.stdout]).toEqual([0, expect.stringMatching(/r1: complete, 4 of 4 items done/)]);
  expect((await rate('auto')).stdout).toMatch(
    /^auto: 1 requests a second; deployed with 20\.\nThe API has told no limit that can be followed, /,
  );
  expect(await setting()).toEqual({ requestsPerSecond: 'auto' });
  const limit = '{"perSecond":50,"from":20}';
  await stage.put('control/api-limit.json', limit);
  expect((await rate()).stdout).toMatch(
    /^auto: 20 requests a second; deployed with 20\.\nThe API says that it allows 50 requests a second \([^)]+\); autoRateMost allows 20\.\n/,
  );
  expect((await rate('default')).stdout).toMatch(/^20 requests a second, as deployed\.\nUsed: /);
});

test('refuses what it can not do in one line, and changes nothing', async () => {
  const before = await setting();
  for (const [args, message] of [
    [['fast'], 'The rate must be a number of requests a second, auto, pause, resume or default, not "fast".'],
    [['0.01'], 'requestsPerSecond must be at least 0.'],
    [['5', '6'], '"6" is not an option.'],
    [['--stage', 'prod'], 'There is no function s3-cascade-prod-rate in us-east-1'],
  ] as const) {
    const refused = await rate(...args);
    expect([refused.status, refused.stdout]).toEqual([3, '']);
    expect(refused.stderr).toContain(message);
    expect(refused.stderr.trim().split('\n')).toHaveLength(1);
  }
  expect(await setting()).toEqual(before);
});
