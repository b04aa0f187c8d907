/** What the chain asks and how it reads answers, with a server that answers as Prometheus does. */
import { afterEach, describe, expect, test } from '@jest/globals';
import {
  childrenOf,
  failure,
  fetchOf,
  resultOf,
  serve,
  stopServers,
  type AskOptions,
  type Asked,
  type Reply,
} from '../../../test/unit/source/server.ts';
import chain from '../chain.ts';

afterEach(stopServers);

const params = { from: '2026-11-20T00:00:00Z', to: '2026-11-20T01:00:00Z', step: '15s' };
const window = { start: params.from, end: params.to };
const ids = ['a "b"\\', 'c\n{d} ü/', 'http:e'];

async function ask(levelName: string, reply: Reply, options: AskOptions = {}): Promise<{ asked: Asked; got: unknown }> {
  const server = await serve(() => reply);
  const fetch = fetchOf(chain, levelName, `${server.url}/base/`);
  const depth = chain.levels.findIndex(({ name }) => name === levelName);
  const item = { ids: ids.slice(0, depth), params, ...options };
  const got = 'many' in fetch ? await childrenOf(fetch, item) : await resultOf(fetch, item);
  return { asked: server.asked[0] as Asked, got };
}

const listing = (...data: string[]): Reply => ({ body: { status: 'success', data } });
const matrix = '{"status":"success","data":{"resultType":"matrix","result":[ {"metric":{},"values":[[1.50,"NaN"]]} ]}}';

describe('the chain', () => {
  test.each([
    ['jobs', '/base/api/v1/label/job/values', window],
    ['instances', '/base/api/v1/label/instance/values', { 'match[]': '{job="a \\"b\\"\\\\"}', ...window }],
    [
      'metrics',
      '/base/api/v1/label/__name__/values',
      { 'match[]': '{job="a \\"b\\"\\\\",instance="c\\n{d} ü/"}', ...window },
    ],
  ])('asks for %s with the label values from above as PromQL texts', async (level, path, query) => {
    const { asked, got } = await ask(level, listing('x', 'y"'));
    expect(asked).toMatchObject({ method: 'GET', path, query });
    expect(got).toMatchObject([{ id: 'x' }, { id: 'y"' }]);
  });

  test('asks for the samples of one metric, and keeps the answer byte for byte', async () => {
    const { asked, got } = await ask('data', { body: matrix });
    expect(asked.path).toBe('/base/api/v1/query_range');
    expect(asked.query).toEqual({
      query: '{__name__="http:e",job="a \\"b\\"\\\\",instance="c\\n{d} ü/"}',
      ...window,
      step: '15s',
    });
    expect(got).toMatchObject({ body: matrix });
  });

  test('has no children where Prometheus knows none', async () => {
    expect((await ask('instances', listing())).got).toEqual([]);
  });

  test('sends no secret', async () => {
    expect((await ask('jobs', listing())).asked.headers).not.toHaveProperty('authorization');
  });
});

describe('an answer of Prometheus', () => {
  const error = { status: 'error', errorType: 'any', error: 'its own words' };

  test.each([200, 400, 422])('with %i and an error is an item failure in its own words', async (status) => {
    const found = await failure(ask('data', { status, body: error }));
    expect(found).toMatchObject({ name: 'ItemError', code: status === 200 ? 'API_ERROR' : `HTTP_${status}` });
    expect(found.message).toContain(`was answered with ${status}: "its own words".`);
  });

  test.each([500, 503])('with %i may pass: a query that took too long, a server that starts', async (status) => {
    expect(await failure(ask('data', { status, body: error }))).toMatchObject({
      name: 'TransientError',
      code: `HTTP_${status}`,
    });
  });

  test('with Retry-After is an order to wait', async () => {
    const reply = { status: 503, headers: { 'retry-after': '7' }, body: error };
    expect(await failure(ask('data', reply))).toMatchObject({ name: 'RateLimitError', waitMs: 7_000 });
  });

  test.each(['jobs', 'data'])(
    'of %s with a warning is partial, so it is not stored but asked for again',
    async (level) => {
      const warnings = ['remote storage: no answer', 'another'];
      const found = await failure(ask(level, { body: { status: 'success', data: [], warnings } }));
      expect(found).toMatchObject({ name: 'TransientError', code: 'API_ERROR' });
      expect(found.message).toContain('remote storage: no answer');
    },
  );

  test.each([{ warnings: [] }, { infos: ['PromQL info: a name without _total'] }])('with %j is whole', async (more) => {
    const body = { status: 'success', data: { resultType: 'matrix', result: [] }, ...more };
    expect((await ask('data', { body })).got).toMatchObject({ body: JSON.stringify(body) });
  });
});
