/**
 * Sources that are no API's in a checkout of their own, packaged and run as a user's would be, and an API that answers as a test
 * says. The packages are kept with the project's, so that a second run of the tests packages nothing.
 */
import { cpSync, mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { createServer, type IncomingHttpHeaders } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { packageService, type LocalAwsOptions } from '../../local-aws/index.ts';
import { startDeployed, type Deployed } from './deployed.ts';

const projectDir = join(import.meta.dirname, '../..');

/** Lists of `tree`, and results in batches: an item's path is its ids. */
function chainText(depth: number): string {
  const path = (level: number): string =>
    ['tree', ...Array.from({ length: level }, (_, at) => `{id${at + 1}}`)].join('/');
  const lists = Array.from(
    { length: depth - 1 },
    (_, at) => `list('level_${at + 1}', { id: 'id${at + 1}', path: '${path(at)}' }),`,
  );
  return `import { defineChain, list, result } from '../../shared/source/define.ts';
export default defineChain({ levels: [${lists.join('\n')} result('leaf', { path: '${path(depth - 1)}' })] });
`;
}

const sources = {
  chain2: chainText(2),
  chain3: chainText(3),
  chain4: chainText(4),
  chain8: chainText(8),
  /** Two levels; a run's parameters are in the path and the query, and the results are CSV. */
  shops: `import { defineChain, list, result } from '../../shared/source/define.ts';
export default defineChain({
  params: { region: { type: 'text', default: 'north' }, from: { type: 'timestamp', default: '2026-01-01' } },
  levels: [
    list('shops', { id: 'shop', path: 'regions/{params.region}/shops', query: { from: '{params.from}' } }),
    result('sales', {
      path: 'regions/{params.region}/shops/{shop}/sales',
      query: { from: '{params.from}' },
      as: 'bytes',
      contentType: 'text/csv; charset=utf-8',
      suffix: '.csv',
    }),
  ],
});
`,
  /** The seed becomes the result. */
  summary: `import { defineChain, result } from '../../shared/source/define.ts';
export default defineChain({ levels: [result('summary', { path: 'summary' })] });
`,
  /** Three levels; the results have every kind of value, and the entries are a table too. */
  ledgers: `import { defineChain, list, result } from '../../shared/source/define.ts';
export default defineChain({
  levels: [
    list('books', { id: 'book', path: 'books' }),
    list('entries', { id: 'entry', path: 'entries', query: { book: '{book}' }, publish: true }),
    result('facts', { path: 'facts', query: { book: '{book}', entry: '{entry}' } }),
  ],
});
`,
};
export type SourceName = keyof typeof sources;

export type Call = { path: string; query: string; headers: IncomingHttpHeaders; atMs: number };
export type Reply = { status?: number; headers?: Record<string, string>; body?: string | Uint8Array };

export type ScriptedApi = {
  readonly url: string;
  /** All calls, in the order in which they came. */
  readonly calls: Call[];
  callsTo: (path: string) => Call[];
  /** From now on calls are answered with this. Undefined: 404. */
  answer: (reply: (call: Call) => Reply | undefined | Promise<Reply | undefined>) => void;
  stop: () => Promise<void>;
};

export type NeutralWorld = Deployed & { api: ScriptedApi };

/** @param params of the deployment; without any, calls are as many as can be */
export async function startNeutralWorld(
  source: SourceName,
  options: LocalAwsOptions = {},
  params: Readonly<Record<string, string>> = {},
): Promise<NeutralWorld> {
  const packageDir = await packageSource(source, { rate: 'unlimited', ...params });
  const api = await startScriptedApi();
  try {
    const environment = { API_URL: api.url, ...options.environment };
    const deployed = await startDeployed(packageDir, { ...options, environment });
    return {
      ...deployed,
      api,
      async stop() {
        await deployed.stop();
        await api.stop();
      },
    };
  } catch (error) {
    await api.stop();
    throw error;
  }
}

/** An API of these shops: each has one line of CSV. */
export function shopsApi(...ids: string[]): (call: Call) => Reply | undefined {
  return ({ path }) => {
    if (/^\/regions\/[^/]+\/shops$/.test(path)) return { body: JSON.stringify(ids.map((id) => ({ id }))) };
    const shop = /^\/regions\/[^/]+\/shops\/([^/]+)\/sales$/.exec(path)?.[1];
    return shop !== undefined && ids.includes(shop) ? { body: `shop,sum\r\n${shop},1\r\n` } : undefined;
  };
}

/**
 * An API of a tree, for the source `chain…` of its depth.
 * @param widths how many children each node has, from the top down
 * @param isFaulty whether a call is answered with 503
 */
export function treeApi(widths: readonly number[], isFaulty: (call: Call) => boolean): (call: Call) => Reply {
  return (call) => {
    if (isFaulty(call)) return { status: 503, body: '{}' };
    const width = widths[call.path.split('/').length - 2];
    if (width === undefined) return { body: JSON.stringify({ path: call.path }) };
    return { body: JSON.stringify(Array.from({ length: width }, (_, at) => ({ id: `n${at}` }))) };
  };
}

export async function packageSource(
  source: SourceName,
  params: Readonly<Record<string, string>>,
  stage?: string,
): Promise<string> {
  const serviceDir = mkdtempSync(join(tmpdir(), 's3-cascade-source-'));
  try {
    for (const name of ['serverless.yml', 'package.json', 'package-lock.json', 'tsconfig.json', 'infra', 'functions'])
      cpSync(join(projectDir, name), join(serviceDir, name), { recursive: true });
    cpSync(join(projectDir, 'shared'), join(serviceDir, 'shared'), { recursive: true });
    symlinkSync(join(projectDir, 'node_modules'), join(serviceDir, 'node_modules'));
    mkdirSync(join(serviceDir, 'sources', source), { recursive: true });
    writeFileSync(join(serviceDir, 'sources', source, 'chain.ts'), sources[source]);
    const outDir = join(projectDir, '.local', 'package');
    return (await packageService({ serviceDir, outDir, ...(stage && { stage }), params: { source, ...params } }))
      .packageDir;
  } finally {
    rmSync(serviceDir, { recursive: true, force: true });
  }
}

export async function startScriptedApi(): Promise<ScriptedApi> {
  const calls: Call[] = [];
  let reply: (call: Call) => Reply | undefined | Promise<Reply | undefined> = () => undefined;
  const server = createServer((request, response) => {
    const [path = '', query = ''] = (request.url ?? '').split('?');
    const call = { path, query, headers: request.headers, atMs: Date.now() };
    calls.push(call);
    const send = ({ status = 200, headers = {}, body = '' }: Reply): void => {
      response.writeHead(status, { 'content-type': 'application/json', ...headers });
      response.end(body);
    };
    Promise.resolve(call)
      .then(reply)
      .then(
        (found) => send(found ?? { status: 404, body: '{"error":"not found"}' }),
        // The test's own error: a status that no chain expects, with the reason.
        (error: unknown) => send({ status: 418, body: JSON.stringify({ error: String(error) }) }),
      );
  });
  server.listen(0, '127.0.0.1');
  await new Promise((resolve) => server.once('listening', resolve));
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    calls,
    callsTo: (path) => calls.filter((call) => call.path === path),
    answer: (next) => void (reply = next),
    async stop() {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}
