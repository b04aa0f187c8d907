/**
 * `npm run screenshot`: takes docs/page.png, the page of a real run in the middle of it: the packaged service on the local engine,
 * with the example and its fake API.
 */
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as wait } from 'node:timers/promises';
import { createCommands, root } from '../cli/command-process.ts';
import { chromiumPath, launchBrowser } from './browser.ts';

const file = join(root, 'docs/page.png');
/** The part of the run that is done, in percent of the items known, before the picture is taken. */
const enough = 60;

const executablePath = chromiumPath();
if (executablePath === undefined) throw new Error('There is no Chromium: install it, or set CHROMIUM to its path.');
const commands = createCommands();
const browser = await launchBrowser(executablePath);
try {
  const sizes = ['--troops', '8', '--warriors', '12', '--groups', '10', '--fail-forever', '9', '--rate', '40'];
  const start = commands.launch('cli/start', ['--page', '--run', '2026-11-20', '--time-scale', '1000', ...sizes]);
  let address: string | undefined;
  while (address === undefined) {
    address = /A page of the run: (\S+)/.exec(start.stderr())?.[1];
    const ended = await Promise.race([start.ended, wait(200)]);
    if (ended !== undefined) throw new Error(`npm start ended: ${start.stderr()}`);
  }
  const context = await browser.newContext({ viewport: { width: 1180, height: 860 }, colorScheme: 'light' });
  const page = await context.newPage();
  await page.goto(address);
  await page.getByRole('article').first().waitFor({ timeout: 600_000 });
  const facts = page.locator('.facts').first();
  while (Number(/\((\d+)%\)/.exec(await facts.innerText())?.[1] ?? 0) < enough) await wait(500);
  mkdirSync(join(root, 'docs'), { recursive: true });
  await page.screenshot({ path: file });
  process.stdout.write(`${file}\n`);
} finally {
  await browser.close();
  await commands.close();
}
