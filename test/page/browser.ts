/** A real browser for the tests of the page: Debian's Chromium, or what CHROMIUM names. Where there is none, the tests say so. */
import { accessSync, constants } from 'node:fs';
import { delimiter, join } from 'node:path';
import { afterAll, beforeAll, describe, test } from '@jest/globals';
import { chromium, type Browser, type BrowserContextOptions, type Page } from 'playwright-core';

const names = ['chromium', 'chromium-browser', 'google-chrome', 'google-chrome-stable'];

export function chromiumPath(): string | undefined {
  const { CHROMIUM, PATH = '' } = process.env;
  const candidates = PATH.split(delimiter).flatMap((folder) => names.map((name) => join(folder, name)));
  return [...(CHROMIUM === undefined ? [] : [CHROMIUM]), ...candidates].find(isExecutable);
}

function isExecutable(file: string): boolean {
  try {
    accessSync(file, constants.X_OK);
    return true;
  } catch {
    return false;
  }
}

/** The sandbox of Chromium does not work for root, and what it opens here is our own. */
export function launchBrowser(executablePath: string): Promise<Browser> {
  return chromium.launch({ executablePath, args: ['--no-sandbox', '--disable-dev-shm-usage'] });
}

export type OpenedPage = Page & {
  /** Addresses of every request that the page made. */
  requested: string[];
  /** What the console said of errors, and what was thrown. */
  errors: string[];
};

export type Opening = (address: string, options?: BrowserContextOptions) => Promise<OpenedPage>;

/** Each opening is a browser of its own: no cookie is shared. */
export function describeInBrowser(title: string, body: (open: Opening) => void): void {
  const path = chromiumPath();
  if (path === undefined) {
    process.stderr.write(`\nNOT TESTED: ${title}: there is no Chromium. Install it, or set CHROMIUM to its path.\n\n`);
    describe(title, () => test.skip('needs Chromium, which is not installed', () => undefined));
    return;
  }
  describe(title, () => {
    let browser: Browser;
    beforeAll(async () => {
      browser = await launchBrowser(path);
    });
    afterAll(() => browser.close());
    body(async (address, options = {}) => {
      const context = await browser.newContext({ viewport: { width: 1280, height: 900 }, ...options });
      const page = await context.newPage();
      const opened = Object.assign(page, { requested: [] as string[], errors: [] as string[] });
      page.on('request', (request) => opened.requested.push(request.url()));
      page.on('pageerror', (error) => opened.errors.push(error.message));
      page.on('console', (message) => {
        if (message.type() === 'error') opened.errors.push(message.text());
      });
      await page.goto(address);
      return opened;
    });
  });
}
