import { afterEach, describe, expect, test } from '@jest/globals';
import {
  cursor,
  headerCursor,
  headerLink,
  jsonLink,
  offset,
  pageNumber,
  type Paginator,
} from '../../../shared/source/define.ts';
import { linkWithRel } from '../../../shared/source/link-header.ts';
import {
  chainOf,
  failure,
  fetchOf,
  listFrom,
  pagesOf,
  secretIs,
  serve,
  stopServers,
  type Asked,
  type Reply,
} from './server.ts';

afterEach(stopServers);

const things = (...ids: (string | number)[]) => ids.map((id) => ({ id }));
const idsOf = (children: readonly { id: string }[]) => children.map(({ id }) => id);
const range = (from: number, to: number) =>
  Array.from({ length: Math.max(0, to - from) }, (_, index) => `t${from + index}`);

async function listed(next: Paginator, answer: (asked: Asked, nth: number) => Reply, fields: object = {}) {
  const server = await serve(answer);
  const children = await listFrom(server.url, { next, ...fields });
  return { ids: idsOf(children), asked: server.asked };
}

describe('a list in one page', () => {
  test('is asked for once', async () => {
    const server = await serve(() => ({ body: { items: things('a', 'b'), next: 'more' } }));
    expect(idsOf(await listFrom(server.url))).toEqual(['a', 'b']);
    expect(server.asked.map(({ target }) => target)).toEqual(['/things']);
  });
});

describe('jsonLink', () => {
  test.each([undefined, null, ''])('follows links from the body, relative and absolute, up to %j', async (end) => {
    const server = await serve(({ headers }, nth) => {
      const links = [`http://${headers.host}/elsewhere?page=2&q=a%20b`, '/v9/third?x', end];
      return { body: { items: things(nth), links: { next: links[nth] } } };
    });
    const children = await listFrom(server.url, { next: jsonLink('links.next'), query: { q: 'a b' } });
    expect(idsOf(children)).toEqual(['0', '1', '2']);
    expect(server.asked.map(({ target }) => target)).toEqual([
      '/things?q=a+b',
      '/elsewhere?page=2&q=a%20b',
      '/v9/third?x',
    ]);
  });

  test.each(['http://other.example/things', '//other.example/things', 'https://127.0.0.1/things', 'ftp://x/y'])(
    'refuses %s, which is on another origin, so that the secret stays',
    async (link) => {
      const server = await serve(() => ({ body: { items: things('a'), next: link } }));
      const error = await failure(listFrom(server.url, { next: jsonLink('next') }, secretIs('s3cret')));
      expect(error).toMatchObject({ name: 'ItemError', code: 'FOREIGN_LINK' });
      expect(error.message).toContain(link);
      expect(server.asked).toHaveLength(1);
    },
  );

  test('refuses a link with a user in it', async () => {
    const server = await serve(({ headers }) => ({ body: { items: [], next: `http://me:pass@${headers.host}/x` } }));
    expect(await failure(listFrom(server.url, { next: jsonLink('next') }))).toMatchObject({ code: 'FOREIGN_LINK' });
  });

  test('a link that is no text is an error, since the rest of the list would be lost', async () => {
    const server = await serve(() => ({ body: { items: things('a'), next: { href: '/x' } } }));
    const error = await failure(listFrom(server.url, { next: jsonLink('next') }));
    expect(error).toMatchObject({ code: 'BAD_SHAPE' });
    expect(error.message).toContain('next: expected a link or null, got an object');
  });
});

describe('headerLink', () => {
  test('follows the Link header to the page that has none', async () => {
    const { ids, asked } = await listed(headerLink(), (_, nth) => ({
      headers: nth < 2 ? { link: `</prev>; rel="prev", </things?last=${nth}>; rel="next"` } : {},
      body: { items: things(nth) },
    }));
    expect(ids).toEqual(['0', '1', '2']);
    expect(asked.map(({ target }) => target)).toEqual(['/things', '/things?last=0', '/things?last=1']);
  });

  test.each([
    ['</a>; rel=next', 'next', '/a'],
    ['</a>; rel="prev", </b>; rel="next"', 'next', '/b'],
    ['</a?x=1,2;3>; title="a, \\"b\\"; rel=next"; rel="prev", </b>; rel="last next"', 'next', '/b'],
    ['</a>; REL="Next"', 'next', '/a'],
    ['</a>; rel="prev"; rel="next"', 'next', undefined],
    ['</a> ; crossorigin ; rel = next', 'next', '/a'],
    ['</a>; rel="next"', 'first', undefined],
    ['', 'next', undefined],
  ])('%s has for %s the link %s', (header, rel, target) => {
    expect(linkWithRel(header, rel)).toBe(target);
  });
});

describe('cursor', () => {
  test('goes into the query under its name', async () => {
    const { ids, asked } = await listed(
      cursor('meta.next', { param: 'after' }),
      (_, nth) => ({ body: { items: things(nth), meta: { next: nth < 2 ? `c&${nth}` : null } } }),
      { query: { size: 1 } },
    );
    expect(ids).toEqual(['0', '1', '2']);
    expect(asked.map(({ target }) => target)).toEqual([
      '/things?size=1',
      '/things?size=1&after=c%260',
      '/things?size=1&after=c%261',
    ]);
  });

  test('goes into the body of a POST', async () => {
    const { ids, asked } = await listed(
      cursor('next', { body: 'paging.cursor' }),
      (_, nth) => ({ body: { items: things(nth), next: nth < 2 ? nth + 10 : '' } }),
      { method: 'POST', body: { filter: 'x', paging: { size: 5 } } },
    );
    expect(ids).toEqual(['0', '1', '2']);
    expect(asked.map(({ body }) => JSON.parse(body) as unknown)).toEqual([
      { filter: 'x', paging: { size: 5 } },
      { filter: 'x', paging: { size: 5, cursor: 10 } },
      { filter: 'x', paging: { size: 5, cursor: 11 } },
    ]);
    expect(asked[1]).toMatchObject({
      method: 'POST',
      target: '/things',
      headers: { 'content-type': 'application/json' },
    });
  });

  test('that is a long number keeps its digits', async () => {
    const { asked } = await listed(cursor('next'), (_, nth) => ({
      body: nth === 0 ? '{"items":[{"id":"a"}],"next":12345678901234567890}' : '{"items":[]}',
    }));
    expect(asked[1]?.query).toEqual({ cursor: '12345678901234567890' });
  });
});

test('headerCursor takes the cursor from a header', async () => {
  const { ids, asked } = await listed(headerCursor('X-Next-Cursor', { param: 'c' }), (_, nth) => ({
    headers: nth < 1 ? { 'x-next-cursor': 'n1' } : {},
    body: { items: things(nth) },
  }));
  expect(ids).toEqual(['0', '1']);
  expect(asked[1]?.query).toEqual({ c: 'n1' });
});

describe('offset', () => {
  const server = (count: number, mostAPage: number, total?: number | string) => (asked: Asked) => {
    const { offset = '0', limit = '0' } = asked.query;
    const to = Math.min(count, Number(offset) + Math.min(Number(limit), mostAPage));
    return { body: { items: things(...range(Number(offset), to)), ...(total !== undefined && { total }) } };
  };

  test('asks until a page is empty', async () => {
    const { ids, asked } = await listed(offset({ limit: 2 }), server(5, 2));
    expect(ids).toEqual(range(0, 5));
    expect(asked.map(({ query }) => query['offset'])).toEqual(['0', '2', '4', '5']);
  });

  test('leaves nothing out when the API gives fewer elements than it is asked for', async () => {
    expect((await listed(offset({ limit: 100 }), server(25, 10))).ids).toEqual(range(0, 25));
  });

  test.each([6, '6'])('stops when the total %j is reached', async (total) => {
    const { ids, asked } = await listed(offset({ limit: 3, total: 'total' }), server(6, 3, total));
    expect(ids).toEqual(range(0, 6));
    expect(asked).toHaveLength(2);
  });

  test('stops at a short page where that is declared', async () => {
    const { ids, asked } = await listed(offset({ limit: 3, stopAtShortPage: true }), server(5, 3));
    expect(ids).toEqual(range(0, 5));
    expect(asked).toHaveLength(2);
  });

  test('a total that is missing is an error', async () => {
    const api = await serve(server(6, 3));
    const error = await failure(listFrom(api.url, { next: offset({ limit: 3, total: 'meta.total' }) }));
    expect(error.message).toContain('meta.total: expected a number, got nothing');
  });

  test('names of its own, and in a body', async () => {
    const { asked } = await listed(offset({ limit: 1, param: 'skip', limitParam: 'take' }), (_, nth) => ({
      body: { items: nth === 0 ? things('a') : [] },
    }));
    expect(asked[1]?.query).toEqual({ skip: '1', take: '1' });
    const inBody = await listed(
      offset({ limit: 1, body: 'from', sizeBody: 'size' }),
      (_, nth) => ({ body: { items: nth === 0 ? things('a') : [] } }),
      { method: 'POST' },
    );
    expect(inBody.asked.map(({ body }) => body)).toEqual(['{"from":0,"size":1}', '{"from":1,"size":1}']);
  });
});

describe('pageNumber', () => {
  test('counts from 1 until a page is empty', async () => {
    const { ids, asked } = await listed(pageNumber(), ({ query }) => ({
      body: { items: Number(query['page']) <= 2 ? things(`p${query['page']}`) : [] },
    }));
    expect(ids).toEqual(['p1', 'p2']);
    expect(asked.map(({ target }) => target)).toEqual(['/things?page=1', '/things?page=2', '/things?page=3']);
  });

  test('stops at the number of pages that the API names, counted from 0', async () => {
    const next = pageNumber({ param: 'p', first: 0, size: 7, sizeParam: 'n', totalPages: 'pages' });
    const { asked } = await listed(next, (_, nth) => ({ body: { items: things(nth), pages: 2 } }));
    expect(asked.map(({ target }) => target)).toEqual(['/things?p=0&n=7', '/things?p=1&n=7']);
  });

  test('a 404 behind the last page ends the list where a rule says so', async () => {
    const answer = (_: Asked, nth: number): Reply => (nth === 0 ? { body: { items: things('a') } } : { status: 404 });
    const rule = { answers: [{ status: 404, then: 'ignore' }] };
    expect((await listed(pageNumber(), answer, rule)).ids).toEqual(['a']);
    const server = await serve(answer);
    expect(await failure(listFrom(server.url, { next: pageNumber() }))).toMatchObject({ code: 'HTTP_404' });
    expect(server.asked).toHaveLength(2);
  });
});

test('the next page is asked for only when it is wanted', async () => {
  const server = await serve((_, nth) => ({ body: { items: things(nth), next: `c${nth}` } }));
  const pages = pagesOf(fetchOf(chainOf({ things: { next: cursor('next') } }), 'things', server.url))[
    Symbol.asyncIterator
  ]();
  await pages.next();
  expect(server.asked).toHaveLength(1);
  await pages.next();
  expect(server.asked).toHaveLength(2);
});

describe('a list without end', () => {
  const give = async (answer: (asked: Asked, nth: number) => Reply, next = cursor('next'), maxPages = 10_000) => {
    const server = await serve(answer);
    const error = await failure(listFrom(server.url, { next }, { maxPages }));
    return { error, calls: server.asked.length };
  };

  test('fresh cursors that bring the same elements again are given up after three pages', async () => {
    const { error, calls } = await give((_, nth) => ({ body: { items: things('a', 'b'), next: `c${nth}` } }));
    expect(error).toMatchObject({ name: 'ItemError', code: 'LIST_LOOP' });
    expect(error.message).toContain('3 pages without a new id');
    expect(calls).toBe(4);
  });

  test('an API that does not take the page’s number is noticed', async () => {
    const { error } = await give(() => ({ body: { items: things('a') } }), pageNumber());
    expect(error).toMatchObject({ code: 'LIST_LOOP' });
  });

  test('a cursor that was followed before ends the list', async () => {
    const { error, calls } = await give((_, nth) => ({ body: { items: things(nth), next: 'c' } }));
    expect(error).toMatchObject({ name: 'ItemError', code: 'PAGE_LOOP' });
    expect(calls).toBe(2);
  });

  test('empty pages with fresh cursors are followed for a while', async () => {
    const some = await listed(cursor('next'), (_, nth) => ({
      body: { items: nth === 50 ? things('a') : [], next: nth < 60 ? `c${nth}` : null },
    }));
    expect(some.ids).toEqual(['a']);
    const { error, calls } = await give((_, nth) => ({ body: { items: [], next: `c${nth}` } }));
    expect(error).toMatchObject({ code: 'LIST_LOOP' });
    expect(calls).toBe(100);
  });

  test('new elements without end are given up at the bound', async () => {
    const { error, calls } = await give(
      (_, nth) => ({ body: { items: things(nth), next: `c${nth}` } }),
      cursor('next'),
      20,
    );
    expect(error).toMatchObject({ code: 'TOO_MANY_PAGES' });
    expect(calls).toBe(20);
  });
});

describe('a list that broke in the middle', () => {
  test.each([400, 404, 410])(
    'an expired cursor, answered with %i: the list is read anew, each child once',
    async (status) => {
      const { ids, asked } = await listed(cursor('next'), (_, nth) => {
        if (nth === 1) return { status };
        return { body: { items: nth < 3 ? things('a', 'b', 1) : things('c'), next: nth < 3 ? `c${nth}` : null } };
      });
      expect(ids).toEqual(['a', 'b', '1', 'c']);
      expect(asked.map(({ query }) => query['cursor'])).toEqual([undefined, 'c0', undefined, 'c2']);
    },
  );

  test('it is read anew once only', async () => {
    const server = await serve(({ query }, nth) =>
      query['cursor'] === undefined ? { body: { items: things('a'), next: `c${nth}` } } : { status: 410 },
    );
    const error = await failure(listFrom(server.url, { next: cursor('next') }));
    expect(error).toMatchObject({ name: 'ItemError', code: 'HTTP_410' });
    expect(error.message).toContain('read anew from its first page');
    expect(server.asked).toHaveLength(4);
  });

  test('the first page’s 404 is the item’s end at once', async () => {
    const server = await serve(() => ({ status: 404 }));
    expect(await failure(listFrom(server.url, { next: cursor('next') }))).toMatchObject({ code: 'HTTP_404' });
    expect(server.asked).toHaveLength(1);
  });

  test('an element that repeats exactly is left out, on one page and over pages', async () => {
    const { ids, asked } = await listed(cursor('next'), (_, nth) => ({
      body: { items: nth === 0 ? things('a', 'b', 'a') : things('b', 'c'), next: nth === 0 ? 'c' : null },
    }));
    expect(ids).toEqual(['a', 'b', 'c']);
    expect(asked).toHaveLength(2);
  });

  test('an id with another text on a later page: the list is read anew, and nothing new of the page is lost', async () => {
    const pages = [
      { items: [{ id: 'a', n: 1 }, { id: 'b' }], next: 'x' },
      { items: [{ id: 'new' }, { id: 'a', n: 2 }], next: 'y' },
      { items: [{ id: 'a', n: 2 }, { id: 'b' }], next: 'z' },
      { items: [{ id: 'new' }, { id: 'c' }] },
    ];
    const { ids, asked } = await listed(cursor('next'), (_, nth) => ({ body: pages[nth] }));
    expect(ids).toEqual(['a', 'b', 'new', 'c']);
    expect(asked).toHaveLength(4);
  });

  test('an id with two texts in a second reading, or on one page, is given out for the engine to refuse', async () => {
    const always = await listed(cursor('next'), ({ query }) =>
      query['cursor'] === undefined
        ? { body: { items: [{ id: 'a', n: 1 }], next: 'x' } }
        : { body: { items: [{ id: 'a', n: 2 }] } },
    );
    expect(always.ids).toEqual(['a', 'a']);
    expect(always.asked).toHaveLength(4);
    const onePage = await listed(cursor('next'), () => ({
      body: {
        items: [
          { id: 'a', n: 1 },
          { id: 'a', n: 2 },
        ],
      },
    }));
    expect(onePage.ids).toEqual(['a', 'a']);
    expect(onePage.asked).toHaveLength(1);
  });
});
