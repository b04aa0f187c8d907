/** A real Prometheus on a free port, which scrapes itself every second. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createServer, type AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

export type Scrape = {
  job: string;
  /** Values of the label `instance`, each of them a target of its own. */
  instances: readonly string[];
  /** The only metrics that are kept of what Prometheus says of itself. Default: all. */
  metrics?: readonly string[];
};

export type Series<Sample> = { metric: Readonly<Record<string, string>> } & Sample;
export type Vector = Series<{ value: readonly [number, string] }>[];
export type Matrix = Series<{ values: (readonly [number, string])[] }>[];

export type PrometheusServer = {
  url: string;
  /** @throws Error with what Prometheus says when its answer is no success */
  query: (promql: string) => Promise<Vector>;
  queryRange: (promql: string, window: { start: string; end: string; step: string }) => Promise<Matrix>;
  stop: () => Promise<void>;
};

/** The port may be taken between its choice and its use. */
const mostStarts = 3;

/**
 * Resolves when the server answers.
 * @throws Error with its log when it ends instead
 */
export async function startPrometheus(program: string, scrapes: readonly Scrape[]): Promise<PrometheusServer> {
  for (let start = 1; ; start += 1) {
    try {
      return await startOn(await freePort(), program, scrapes);
    } catch (error) {
      if (start === mostStarts || !(error as Error).message.includes('address already in use')) throw error;
    }
  }
}

async function startOn(port: number, program: string, scrapes: readonly Scrape[]): Promise<PrometheusServer> {
  const address = `127.0.0.1:${port}`;
  const url = `http://${address}`;
  const folder = mkdtempSync(join(tmpdir(), 's3-cascade-prometheus-'));
  const configFile = join(folder, 'prometheus.yml');
  writeFileSync(configFile, configFor(address, scrapes));
  const child = spawn(
    program,
    [`--config.file=${configFile}`, `--storage.tsdb.path=${join(folder, 'data')}`, `--web.listen-address=${address}`],
    { stdio: ['ignore', 'ignore', 'pipe'] },
  );
  let log = '';
  child.stderr.on('data', (chunk: Buffer) => (log += chunk.toString()));
  const exit = once(child, 'close').then(
    () => rmSync(folder, { recursive: true, force: true }),
    (error: unknown) => {
      rmSync(folder, { recursive: true, force: true });
      throw error;
    },
  );
  const failure = exit.then(() => Promise.reject(new Error(`Prometheus ended while it started:\n${log}`)));
  await Promise.race([failure, until(() => isReady(url, () => child.exitCode !== null))]);
  failure.catch(() => undefined); // From here on it ends when it is told to.
  return {
    url,
    query: async (promql) => (await ask(url, 'query', { query: promql })) as Vector,
    queryRange: async (promql, window) => (await ask(url, 'query_range', { query: promql, ...window })) as Matrix,
    async stop() {
      child.kill('SIGTERM');
      await exit;
    },
  };
}

/** YAML reads JSON. */
function configFor(address: string, scrapes: readonly Scrape[]): string {
  return JSON.stringify({
    global: { scrape_interval: '1s' },
    scrape_configs: scrapes.map(({ job, instances, metrics }) => ({
      job_name: job,
      static_configs: instances.map((instance) => ({ targets: [address], labels: { instance } })),
      ...(metrics && {
        metric_relabel_configs: [{ source_labels: ['__name__'], regex: metrics.join('|'), action: 'keep' }],
      }),
    })),
  });
}

async function ask(url: string, endpoint: string, parameters: Readonly<Record<string, string>>): Promise<unknown> {
  const response = await fetch(`${url}/api/v1/${endpoint}`, { method: 'POST', body: new URLSearchParams(parameters) });
  const answer = (await response.json()) as { status: string; error?: string; data: { result: unknown } };
  if (answer.status !== 'success') throw new Error(`Prometheus answered ${response.status}: ${answer.error ?? ''}`);
  return answer.data.result;
}

/** Asks now and then: asking all the time would take the turns of the server that is asked. */
export async function until(isSo: () => Promise<boolean>): Promise<void> {
  while (!(await isSo())) await new Promise((resolve) => setTimeout(resolve, 50));
}

/** @param isOver ends the asking */
async function isReady(url: string, isOver: () => boolean): Promise<boolean> {
  const response = await fetch(`${url}/-/ready`).catch(() => undefined);
  return isOver() || response?.ok === true;
}

async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  server.close();
  await once(server, 'close');
  return port;
}
