/** The page in a real browser, on a deployment in memory: what it makes of hostile texts, of many runs, of silence. */
import { createRequire } from 'node:module';
import { readFileSync } from 'node:fs';
import { afterEach, expect, test } from '@jest/globals';
import type { Page } from 'playwright-core';
import { failureKey, itemKey } from '../../shared/engine/chain/keys.ts';
import { lastLevel } from '../../shared/engine/chain/chain.ts';
import type { FailureNote } from '../../shared/engine/item/failure-note.ts';
import type { RunReport } from '../../shared/engine/report/run-report.ts';
import { fourLevels } from '../chains.ts';
import { completeRun } from '../memory/run.ts';
import { describeInBrowser } from './in-browser.ts';
import { servePage, type ServedPage } from './page-server.ts';

const axe = readFileSync(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8');
const stock = lastLevel(fourLevels);

const closing: (() => Promise<void>)[] = [];
afterEach(async () => {
  for (const close of closing.splice(0).reverse()) await close();
});

async function serve(): Promise<ServedPage> {
  const page = await servePage(fourLevels);
  closing.push(() => page.stop());
  return page;
}

/** An item of the last level that has failed, in a run that is complete but for it. */
async function dropFailedRun({ deployment: { store } }: ServedPage, note: Partial<FailureNote>): Promise<string> {
  await completeRun(fourLevels, store, ['a', 'b']);
  const path = { run: 'r', ids: ['a', 'b', 'a'] };
  const key = itemKey(stock, path);
  store.objects.delete(`stock/r/a/b/a${stock.suffix}`);
  const whole = { run: 'r', level: 'stock', key, status: 'failed', class: 'item', code: 'HTTP_404', message: 'gone' };
  const counts = { attempts: 1, replays: 0, refires: 0, at: new Date().toISOString(), requestId: 'request-1' };
  store.drop(failureKey(stock, path), JSON.stringify({ ...whole, ...counts, ...note }));
  return key;
}

function dropRuns({ deployment: { store } }: ServedPage, runs: number): void {
  for (let index = 0; index < runs; index += 1) {
    const run = `run-${String(index).padStart(4, '0')}`;
    const report: RunReport = {
      run,
      at: new Date().toISOString(),
      complete: true,
      levels: [
        {
          level: 'regions',
          items: 1_000,
          done: 1_000,
          failed: { retrying: 0, dead: 0, parked: 0 },
          open: 0,
          lost: 0,
          short: 0,
          stray: 0,
        },
      ],
      reasons: [],
      apiCalls: 1_234,
    };
    store.drop(`seeds/${run}.json`, '{}');
    store.drop(`runs/${run}.json`, JSON.stringify(report));
  }
}

/** What axe finds that keeps a person from using the page. */
async function seriousFindings(page: Page): Promise<unknown[]> {
  // Evaluated, not added as a script: the page's policy lets no script in.
  await page.evaluate(axe);
  const { violations } = await page.evaluate<Findings>('axe.run()');
  return violations
    .filter(({ impact }) => impact === 'serious' || impact === 'critical')
    .map(({ id, nodes }) => ({ id, nodes: nodes.map(({ html }) => html) }));
}

type Findings = { violations: { id: string; impact: string; nodes: { html: string }[] }[] };

/** Runs in the browser. The age is told anew with each second, and so is how long the run has taken. */
const watchChanges = `
  globalThis.changes = [];
  new MutationObserver((records) => {
    for (const { target } of records) {
      const where = target instanceof Element ? target : target.parentElement;
      if (where.closest('.age, .facts, title') === null) changes.push(where.outerHTML);
    }
  }).observe(document.body, { subtree: true, childList: true, characterData: true, attributes: true });
`;

describeInBrowser('the page', (open) => {
  test('shows what others wrote as text, however hostile and long it is, and asks nobody but its own server', async () => {
    const server = await serve();
    const script = '<script>document.title = "taken"</script><img src=x onerror="document.title = \'taken\'">';
    const message = `${script} \u202Eright to left\u202C مرحبا ${'x'.repeat(10_000)}`;
    await dropFailedRun(server, { code: script.slice(0, 40), message, requestId: script });
    server.deployment.store.drop('seeds/r.json', `{"only": {"region": ["${'</pre>'.repeat(3)}"]}}`);
    const page = await open(server.addressOf('r'), { viewport: { width: 390, height: 800 } });
    const group = page.getByRole('article');
    await group.waitFor();
    expect(await group.innerText()).toContain(script);
    expect(await page.locator('pre').first().innerText()).toContain('</pre></pre></pre>');
    expect(await page.title()).toMatch(/^r /);
    expect(await page.locator('script, img, iframe').count()).toBe(1);
    // Nothing is wider than the phone.
    expect(await page.evaluate<number>('document.documentElement.scrollWidth')).toBeLessThanOrEqual(390);
    expect(page.requested.filter((address) => !address.startsWith(server.origin))).toEqual([]);
    expect(page.errors).toEqual([]);
  });

  test.each([
    ['light', 1280],
    ['dark', 1280],
    ['light', 390],
    ['dark', 390],
  ] as const)('has no serious finding of axe: %s, %i pixels wide', async (colorScheme, width) => {
    const server = await serve();
    const key = await dropFailedRun(server, {});
    const options = { colorScheme, viewport: { width, height: 800 } };
    const run = await open(server.addressOf('r'), options);
    await run.getByRole('article').waitFor();
    await run.getByLabel(/A key, or ids/).fill(key);
    await run.getByRole('button', { name: 'Explain' }).click();
    await run.getByText('dead: Its last attempt').waitFor();
    expect(await seriousFindings(run)).toEqual([]);
    await run.getByRole('button', { name: 'Replay these (1)' }).click();
    await run.getByRole('dialog').waitFor();
    expect(await seriousFindings(run)).toEqual([]);
    const runs = await open(server.addressOf(), options);
    await runs.getByRole('link', { name: 'r', exact: true }).waitFor();
    expect(await seriousFindings(runs)).toEqual([]);
  });

  test('is worked by the keyboard alone: an action is asked once, and Escape leaves everything as it is', async () => {
    const server = await serve();
    await dropFailedRun(server, {});
    const page = await open(server.addressOf('r'));
    const button = page.getByRole('button', { name: 'Replay these (1)' });
    await button.focus();
    await page.keyboard.press('Enter');
    const dialog = page.getByRole('dialog', { name: 'Replay these (1)?' });
    await dialog.getByText(/are given to their function again/).waitFor();
    await dialog.getByText(`npx sls invoke -f replay -d '{"run":"r","level":"stock","code":"HTTP_404"}'`).waitFor();
    await page.keyboard.press('Escape');
    await dialog.waitFor({ state: 'hidden' });
    expect(server.deployment.asked).toEqual([]);
    await button.focus();
    await page.keyboard.press('Enter');
    await dialog.getByText(/are given to their function again/).waitFor();
    await page.keyboard.press('Enter');
    await page.getByRole('status').getByText('The function replay is not deployed.').waitFor();
    expect(server.deployment.asked).toEqual([{ run: 'r', level: 'stock', code: 'HTTP_404' }]);
  });

  test('lists a thousand runs, the newest first, and finds one among them', async () => {
    const server = await serve();
    dropRuns(server, 1_000);
    server.deployment.store.drop('seeds/newest.json', '{}');
    const newest = server.deployment.store.objects.get('seeds/newest.json');
    if (newest !== undefined) newest.modifiedMs += 60_000;
    const page = await open(server.addressOf());
    const links = page.getByRole('table').getByRole('link');
    await links.first().waitFor();
    expect(await links.first().innerText()).toBe('newest');
    expect(await links.count()).toBe(200);
    await page.getByRole('button', { name: 'Show all 1,000' }).click();
    expect(await links.count()).toBe(1_000);
    await page.getByRole('searchbox').fill('run-0500');
    expect(await links.allInnerTexts()).toEqual(['run-0500']);
    await links.first().click();
    await page.getByRole('heading', { level: 1, name: 'run-0500 complete' }).waitFor();
    expect(page.url()).toBe(`${server.origin}/runs/run-0500`);
  });

  test('says how old its figures are, and that no younger ones come', async () => {
    const server = await serve();
    await dropFailedRun(server, {});
    const page = await open(server.addressOf('r'));
    await page.getByText('Figures of just now.').waitFor();
    await server.stop();
    closing.length = 0;
    await page.getByText('The page server does not answer: is npm run page still running?').waitFor();
    await page.getByText(/Figures of [1-9]\d* s ago\./).waitFor();
  });

  test('is not drawn anew while nothing changes', async () => {
    const server = await serve();
    await dropFailedRun(server, {});
    const page = await open(server.addressOf('r'));
    await page.getByRole('article').waitFor();
    await page.evaluate(watchChanges);
    const looks = server.deployment.looks();
    while (server.deployment.looks() < looks + 2) await page.evaluate('new Promise(requestAnimationFrame)');
    expect(await page.evaluate('changes')).toEqual([]);
  });
});
