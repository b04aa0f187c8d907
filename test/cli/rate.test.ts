/** `npm run rate` against `npm run local`, as a person with the exported variables runs them; with the example and its fake API. */
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { GetObjectCommand, HeadObjectCommand, NotFound, PutObjectCommand, S3Client } from '@aws-sdk/client-s3';
import { createCommands, exportedBy, type Ended } from './command-process.ts';

const commands = createCommands();
let exported: Record<string, string> = {};
let s3: S3Client;
beforeAll(async () => {
  const args = ['--port', '0', '--rate', '20', '--troops', '1', '--warriors', '1', '--groups', '1'];
  const local = commands.launch('cli/local', [...args, '--time-scale', '1000']);
  await local.until('Functions:');
  expect(local.stdout()).toContain('npm run rate -- 10\n');
  exported = exportedBy(local.stdout());
  const { AWS_ACCESS_KEY_ID: accessKeyId = '', AWS_SECRET_ACCESS_KEY: secretAccessKey = '' } = exported;
  s3 = new S3Client({
    endpoint: exported['AWS_ENDPOINT_URL'] ?? '',
    region: 'us-east-1',
    credentials: { accessKeyId, secretAccessKey },
  });
  commands.closing.push(() => s3.destroy());
});
afterAll(() => commands.close());

const rate = (...args: string[]): Promise<Ended> => commands.launch('cli/rate', args, { env: exported }).ended;
const status = (...args: string[]): Promise<Ended> => commands.launch('cli/status', args, { env: exported }).ended;

async function setting(): Promise<unknown> {
  const found = await s3.send(new GetObjectCommand({ Bucket: exported['BUCKET'], Key: 'control/rate.json' }));
  return JSON.parse((await found.Body?.transformToString()) ?? '');
}

/** Whether the first list has been read, which is the run's first call to the API. */
async function isFirstDone(run: string): Promise<boolean> {
  try {
    await s3.send(new HeadObjectCommand({ Bucket: exported['BUCKET'], Key: `receipts/troops/${run}.json` }));
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

  await s3.send(new PutObjectCommand({ Bucket: exported['BUCKET'], Key: 'seeds/r1.json', Body: '{}' }));
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
  await s3.send(new PutObjectCommand({ Bucket: exported['BUCKET'], Key: 'control/api-limit.json', Body: limit }));
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
