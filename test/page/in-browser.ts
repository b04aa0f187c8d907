/** Tests of the page in a real browser. Where there is none, they say so. */
import { afterAll, beforeAll, describe, test } from '@jest/globals';
import type { Browser, BrowserContextOptions, Page } from 'playwright-core';
import { chromiumPath, launchBrowser } from './browser.ts';

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
