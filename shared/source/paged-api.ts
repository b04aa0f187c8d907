/** Lists that come in pages, and single results, of an API that hands out cursors. Nothing here is Hermes's own. */
import { ItemError } from '../engine/errors.ts';
import type { Page } from '../engine/ports.ts';
import { createApiCall, type ApiOptions, type Query } from './api-call.ts';
import { mustBeObject, readPage } from './schemas.ts';

export type PagedApiOptions = ApiOptions & {
  /** Pages of one list. Default 10,000. */
  maxPages?: number;
};

export type PagedApi = {
  /**
   * The pages of a list, each asked for when the one before it has been taken and the next is wanted.
   * @throws beside a call's errors: ItemError `BAD_SHAPE`, `EMPTY_ID`, `PAGE_LOOP`, `TOO_MANY_PAGES`
   */
  pages(path: string, query?: Query): AsyncGenerator<Page, void, undefined>;
  /**
   * One result: the JSON text of an object, as the API wrote it.
   * @throws beside a call's errors: ItemError `BAD_SHAPE`
   */
  result(path: string, query: Query): Promise<string>;
};

/** @throws ConfigError when the base URL can't be one */
export function createPagedApi(options: PagedApiOptions): PagedApi {
  const { maxPages = 10_000 } = options;
  const ask = createApiCall(options);
  return {
    async *pages(path, query = {}) {
      const followed = new Set<string>();
      let cursor: string | undefined;
      for (let page = 1; page <= maxPages; page += 1) {
        const { children, next, call } = await ask(
          path,
          cursor === undefined ? query : { ...query, cursor },
          ({ text, value, call }) => ({ ...readPage(text, value, call), call }),
        );
        // Before this page is given out: it is a page that was there already, and its children look like duplicates.
        if (next !== undefined && followed.has(next)) {
          throw new ItemError(
            'PAGE_LOOP',
            `The answer to ${call} names the next cursor ${JSON.stringify(next)}, which was followed before.`,
          );
        }
        yield { children };
        if (next === undefined) return;
        followed.add(next);
        cursor = next;
      }
      const question = new URLSearchParams(query).toString();
      throw new ItemError(
        'TOO_MANY_PAGES',
        `The list ${path}${question === '' ? '' : `?${question}`} goes on after ${maxPages} pages.`,
      );
    },
    result: (path, query) =>
      ask(path, query, ({ text, value, call }) => {
        mustBeObject(value, call);
        return text;
      }),
  };
}
