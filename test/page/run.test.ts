/**
 * The page in a real browser, on the packaged service and the local engine, with the example and its fake API: a run from its
 * seed to complete, one that fails and is replayed, a pause; a copy of the page; and `npm run explain`.
 */
import { once } from 'node:events';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { afterEach, expect, test } from '@jest/globals';
import { PutObjectCommand, S3Client } from '@aws-sdk/client-s3';
import { startHermes, type HermesOptions, type LocalHermes } from '../../sources/hermes/fake/server.ts';
import { createCommands, exportedBy, type Ended, type Running } from '../cli/command-process.ts';
import { describeInBrowser } from './in-browser.ts';

const commands = createCommands();
afterEach(() => commands.close());

type Local = {
  hermes: LocalHermes;
  address: string;
  addressOf: (run: string) => string;
  seed: (run: string) => Promise<void>;
  ask: (command: string, ...args: string[]) => Promise<Ended>;
};

async function startLocal(options: HermesOptions, ...args: string[]): Promise<Local> {
  const hermes = await startHermes({ token: 'token', ...options });
  commands.closing.push(() => hermes.stop());
  const local = commands.launch('cli/local', ['--port', '0', '--url', hermes.url, '--time-scale', '1000', ...args], {
    env: { API_TOKEN: 'token' },
  });
  await local.until('Functions:');
  const env = exportedBy(local.stdout());
  const address = /A page of the runs: (\S+)/.exec(local.stdout())?.[1] ?? '';
  const { AWS_ACCESS_KEY_ID: accessKeyId = '', AWS_SECRET_ACCESS_KEY: secretAccessKey = '' } = env;
  const credentials = { accessKeyId, secretAccessKey };
  const s3 = new S3Client({ endpoint: env['AWS_ENDPOINT_URL'] ?? '', region: 'us-east-1', credentials });
  commands.closing.push(() => s3.destroy());
  return {
    hermes,
    address,
    addressOf: (run) => address.replace('/?', `/runs/${run}?`),
    async seed(run) {
      await s3.send(new PutObjectCommand({ Bucket: env['BUCKET'], Key: `seeds/${run}.json`, Body: '{}' }));
    },
    ask: (command, ...rest) => commands.launch(`cli/${command}`, rest, { env }).ended,
  };
}

/** A whole run of it is seen in ten minutes on the slowest machine. */
const patience = { timeout: 300_000 };
/** A button may go while it is being clicked: the run continued without it. */
const briefly = { timeout: 3_000 };
const ignored = (): undefined => undefined;

describeInBrowser('the page of npm run local', (open) => {
  test('shows a run from its seed to complete, its result, and each item; a copy of it needs no server', async () => {
    const local = await startLocal({ troops: 2, warriors: 3, groups: 4 });
    const runs = await open(local.address);
    await runs.getByText('There are no runs.').waitFor(patience);
    await local.seed('r1');
    await runs.getByRole('link', { name: 'r1' }).click(patience);
    await runs.getByRole('heading', { level: 1, name: 'r1' }).waitFor(patience);
    await runs.getByRole('button', { name: 'Sweep now' }).click(patience);
    await runs.getByRole('dialog').getByRole('button', { name: 'Sweep now' }).click();
    await runs.getByText(/Swept: /).waitFor(patience);
    await runs.getByRole('heading', { level: 1, name: 'r1 complete' }).waitFor(patience);
    const rows = await runs.getByRole('region', { name: 'Levels' }).getByRole('rowheader').allInnerTexts();
    expect(rows).toEqual(['troops 100%', 'warriors 100%', 'data_groups 100%', 'data 100%']);
    await runs.getByText('33 of 33 items (100%)').waitFor(patience);

    await runs.getByText('Its tables are published.').waitFor(patience);
    await runs.getByText(/^24 rows in 1 file, /).waitFor(patience);
    await runs.getByRole('button', { name: 'Show the first rows' }).click();
    const results = runs.getByRole('region', { name: 'First rows' });
    await results.waitFor(patience);
    await runs.getByText('The first of 24 rows of the table data:').waitFor();
    await runs.getByText('npm run query -- "select * from data limit 10" --run r1').waitFor();
    expect(await results.getByRole('columnheader').allInnerTexts()).toEqual(
      expect.arrayContaining(['troop text', 'warrior text', 'group text', 'fetched_at timestamp', 'unit text']),
    );
    expect(await results.getByRole('row').count()).toBe(11);
    const ids = (await results.getByRole('row').nth(1).getByRole('cell').allInnerTexts()).slice(0, 3);
    const [troop = ''] = ids;

    const asked = runs.getByLabel(/A key, or ids from the top down \(troop, warrior, group\)/);
    await asked.fill(troop);
    await runs.getByRole('button', { name: 'Explain' }).click();
    await runs.getByText('done: It has 3 children').waitFor(patience);
    const explained = await local.ask('explain', troop, '--run', 'r1');
    expect([explained.status, explained.stdout]).toEqual([0, expect.stringContaining('done: It has 3 children')]);
    await asked.fill(ids.join(' '));
    await runs.getByRole('button', { name: 'Explain' }).click();
    await runs.getByText('number 0 of its parent: 4 of 4 items done, 0 failed').waitFor(patience);
    const item = await local.ask('explain', ...ids, '--run', 'r1');
    expect([item.status, item.stdout]).toEqual([
      0,
      expect.stringMatching(/^result +data\/\S+\.ndjson, line 1, fetched at /m),
    ]);
    const batch = await local.ask('explain', /^key +(\S+)$/m.exec(item.stdout)?.[1] ?? '');
    expect([batch.status, batch.stdout]).toEqual([
      0,
      expect.stringContaining('done: The results of all its 4 items are there.'),
    ]);
    expect(runs.requested.every((address) => /^(http:\/\/127\.0\.0\.1:|data:,)/.test(address))).toBe(true);
    expect(runs.errors).toEqual([]);

    const file = join(commands.folder(), 'report.html');
    expect(await local.ask('page', '--run', 'r1', '--html', file)).toMatchObject({ status: 0, stderr: '' });
    const copy = await open(pathToFileURL(file).href);
    await copy.getByRole('heading', { level: 1, name: 'r1 complete' }).waitFor();
    await copy.getByText(/A copy, with the figures of/).waitFor();
    await copy.getByRole('region', { name: 'First rows' }).waitFor();
    expect(await copy.getByRole('button').count()).toBe(0);
    expect([copy.requested, copy.errors]).toEqual([[pathToFileURL(file).href], []]);
  });

  test('tells why a run failed, and replays it to complete', async () => {
    const local = await startLocal({ troops: 2, warriors: 2, groups: 3, failForever: 3 });
    await local.seed('r1');
    const page = await open(local.addressOf('r1'));
    const groups = page.getByRole('article');
    const replays = page.getByRole('button', { name: /^Replay these/ });
    await replays.first().waitFor(patience);
    expect(await groups.first().innerText()).toMatch(/HTTP_500[^]*This call fails every time/);
    const key = await groups.first().locator('code').nth(1).innerText();
    expect((await local.ask('explain', key)).stdout).toMatch(/^failure +HTTP_500: /m);

    local.hermes.configure({ failForever: 0 });
    const end = page.getByRole('heading', { level: 1, name: 'r1 complete' });
    // One reason after the other: a list that is replayed brings new items, and a letter comes after AWS's own retries.
    while (!(await end.isVisible())) {
      await replays.first().click(briefly).catch(ignored);
      await page
        .getByRole('dialog')
        .getByRole('button', { name: /^Replay these/ })
        .click(briefly)
        .catch(ignored);
    }
    await page
      .getByText(/Replay these \(\d\):/)
      .first()
      .waitFor(patience);
    expect(await groups.count()).toBe(0);
    expect(page.errors).toEqual([]);
  });

  test('pauses all runs, says what waits, and resumes them', async () => {
    const local = await startLocal({ troops: 1, warriors: 2, groups: 2 }, '--rate', '20');
    const page = await open(local.address);
    const confirm = async (name: string): Promise<void> => {
      await page.getByRole('button', { name }).click(patience);
      await page.getByRole('dialog').getByRole('button', { name }).click();
    };
    await confirm('Pause all runs');
    await page.getByText('Paused: no call from now on').waitFor(patience);
    await page.getByText('After the pause: 20 a second, as deployed.').waitFor(patience);
    await local.seed('r1');
    await page.getByText(/Waiting: troops 1\./).waitFor(patience);
    expect(local.hermes.calls()).toEqual([]);
    await confirm('Resume all runs');
    await page.getByText(/Calls are made, 20 calls a second/).waitFor(patience);
    await page.getByRole('link', { name: 'r1' }).click(patience);
    await page.getByRole('heading', { level: 1, name: 'r1 complete' }).waitFor(patience);

    await page.getByRole('spinbutton', { name: 'Calls a second' }).fill('5');
    await confirm('Set the rate to 5');
    await page.getByText('5 a second; deployed with 20.').waitFor(patience);
    expect(page.errors).toEqual([]);
  });

  test('pauses one run while another completes, and resumes it; cancels one, which makes no call any more', async () => {
    const local = await startLocal({ troops: 1, warriors: 6, groups: 15 }, '--rate', '10');
    const openRun = async (name: string) => {
      await local.seed(name);
      const page = await open(local.addressOf(name));
      const press = async (button: string, ...outcome: [RegExp]): Promise<void> => {
        await page.getByRole('button', { name: button }).click(patience);
        await page.getByRole('dialog').getByRole('button', { name: button }).click();
        await page.getByText(outcome[0]).first().waitFor(patience);
      };
      const heading = (state: string): Promise<void> =>
        page.getByRole('heading', { level: 1, name: `${name} ${state}`, exact: true }).waitFor(patience);
      return { page, press, heading };
    };
    const first = await openRun('r1');
    await first.press('Pause this run', /The run r1 is paused: no call/);
    await first.heading('paused');
    await first.page.getByText(/^It is paused since /).waitFor(patience);
    expect(await first.page.getByRole('button', { name: 'Pause this run' }).count()).toBe(0);

    const second = await openRun('r2');
    await second.heading('complete');
    expect(await second.page.getByRole('button', { name: /this run$/ }).count()).toBe(0);
    await second.page.goto(local.address);
    const row = second.page.getByRole('row', { name: /^r1/ });
    await row.getByText('paused', { exact: true }).waitFor(patience);
    await first.heading('paused');

    await first.press('Resume this run', /The run r1 is resumed: its items that waited/);
    await first.heading('complete');

    const third = await openRun('r3');
    await third.page.getByRole('button', { name: 'Cancel this run' }).click(patience);
    await third.page.getByRole('dialog').getByRole('button', { name: 'Back' }).click();
    await third.press('Cancel this run', /The run r3 is cancelled: no call/);
    await third.heading('cancelled');
    // It takes effect within ten seconds: until no call has come for as long as an environment may not know of it.
    const quietMs = (): number => Date.now() - (local.hermes.calls().at(-1)?.atMs ?? 0);
    while (quietMs() < 6_000) await third.page.title();
    const calls = local.hermes.calls().length;
    await third.press('Sweep now', /Swept: the run is not complete, 0 items re-fired/);
    const status = await local.ask('status', '--run', 'r3');
    expect([status.status, status.stdout]).toEqual([1, expect.stringMatching(/^Run r3 is CANCELLED\.\nSince /)]);
    expect(local.hermes.calls()).toHaveLength(calls);
    expect((await local.ask('run', 'resume', '--run', 'r3', '--json')).stdout).toMatch(/"state":"running"/);
    await third.page.getByRole('button', { name: 'Pause this run' }).waitFor(patience);
    for (const { page } of [first, second, third]) expect(page.errors).toEqual([]);
  });
});

async function addressOnStderr({ child, stderr, ended }: Running): Promise<string> {
  for (;;) {
    const address = /A page of the run: (\S+)\n/.exec(stderr())?.[1];
    if (address !== undefined) return address;
    const written = child.stderr && once(child.stderr, 'data').then(() => undefined);
    const end = await Promise.race([written, ended]);
    if (end) throw new Error(`The command ended with ${end.status}: ${end.stderr}`);
  }
}

describeInBrowser('the page of npm start', (open) => {
  test('shows the run while it is made, and stays when it is complete, until Ctrl-C', async () => {
    const hermes = await startHermes({ token: 'token', troops: 1, warriors: 2, groups: 3 });
    commands.closing.push(() => hermes.stop());
    const args = ['--page', '--run', 'r1', '--url', hermes.url, '--time-scale', '1000'];
    const start = commands.launch('cli/start', args, { env: { API_TOKEN: 'token' } });
    const page = await open(await addressOnStderr(start));
    await page.getByRole('heading', { level: 1, name: 'r1 complete' }).waitFor(patience);
    await page.getByText('10 of 10 items (100%)').waitFor(patience);
    await page.getByText('Its tables are published.').waitFor(patience);
    await start.until('Run r1 is complete');
    expect(page.errors).toEqual([]);
    start.child.kill('SIGINT');
    expect(await start.ended).toMatchObject({ status: 0 });
    await page.getByText('The page server does not answer').waitFor(patience);
  });
});

test('explain refuses in one line what it can not answer', async () => {
  const local = await startLocal({ troops: 1, warriors: 1, groups: 1 });
  for (const [args, message] of [
    [[], 'Which item? Give a KEY, or its ids and --run NAME.'],
    [['nowhere/r1.json'], '"nowhere/r1.json" is no key of this chain; its items are seeds/<run>.json, '],
    [['a'], 'ids need the name of their run'],
    [
      ['a', 'b', 'c', 'd', '--run', 'r1'],
      'there are 4 ids; an item has at most 3 from the top down: troop, warrior, group',
    ],
  ] as const) {
    const refused = await local.ask('explain', ...args);
    expect([refused.status, refused.stdout]).toEqual([3, '']);
    expect(refused.stderr).toContain(message);
    expect(refused.stderr.trim().split('\n')).toHaveLength(1);
  }
  const absent = await local.ask('explain', 'seeds/r9.json');
  expect([absent.status, absent.stdout]).toEqual([2, expect.stringContaining('There is no such seed')]);
});
