/**
 * The servers that some tools work on, each started for one measurement on a free port with a folder of its own, durable as
 * its makers have it. None is installed from here: a server that is not there is reported, with what would install it.
 */
import { execFileSync } from 'node:child_process';
import { chownSync, existsSync, mkdirSync, readdirSync } from 'node:fs';
import { delimiter, join } from 'node:path';
import { setTimeout as wait } from 'node:timers/promises';
import { freePort, start, type Child } from './children.ts';

export type ToolServer = {
  child: Child;
  /** What the tool's worker is told of it. */
  address: string;
};

export type ServerKind = {
  /** Why it can't be started here and what to do; undefined when it can. */
  absent: () => string | undefined;
  version: () => string;
  start: (dir: string, concurrency: number) => Promise<ToolServer>;
};

function findProgram(name: string, folders: readonly string[] = []): string | undefined {
  return [...(process.env['PATH'] ?? '').split(delimiter), ...folders]
    .map((folder) => join(folder, name))
    .find((path) => existsSync(path));
}

function firstLine(file: string, args: readonly string[]): string {
  return execFileSync(file, args, { encoding: 'utf8' }).split('\n', 1)[0]?.trim() ?? '';
}

/** Debian keeps the programs of each major version in a folder that is not on the path. */
function postgresFolders(): string[] {
  const root = '/usr/lib/postgresql';
  return existsSync(root) ? readdirSync(root).map((version) => join(root, version, 'bin')) : [];
}

export const redis: ServerKind = {
  absent: () =>
    findProgram('redis-server') === undefined
      ? 'redis-server is not installed: `apt-get install -y redis-server`'
      : undefined,
  version: () => `Redis ${/v=(\S+)/.exec(firstLine('redis-server', ['--version']))?.[1] ?? ''}`,
  async start(dir) {
    const port = await freePort();
    const durable = [
      '--appendonly',
      'yes',
      '--appendfsync',
      'everysec',
      '--save',
      '',
      '--maxmemory-policy',
      'noeviction',
    ];
    const child = start('redis-server', 'redis-server', [
      ...['--bind', '127.0.0.1', '--port', String(port), '--dir', dir],
      ...durable,
    ]);
    await child.saying(/Ready to accept connections/);
    return { child, address: String(port) };
  },
};

/** PostgreSQL refuses to run as root, so it runs as somebody else then. */
function unprivileged(): { uid?: number; gid?: number } {
  if (process.getuid?.() !== 0) return {};
  const name = 'nobody';
  return { uid: Number(firstLine('id', ['-u', name])), gid: Number(firstLine('id', ['-g', name])) };
}

export const postgres: ServerKind = {
  absent: () =>
    findProgram('postgres', postgresFolders()) === undefined
      ? 'PostgreSQL is not installed: `apt-get install -y postgresql`'
      : undefined,
  version: () =>
    /PostgreSQL\)? [\d.]+/.exec(firstLine(postgresProgram('postgres'), ['--version']))?.[0].replace(')', '') ?? '',
  async start(dir) {
    const port = await freePort();
    const who = unprivileged();
    if (who.uid !== undefined && who.gid !== undefined) chownSync(dir, who.uid, who.gid);
    const data = join(dir, 'data');
    const how = ['--auth=trust', '--username=bench', '--no-locale', '--encoding=UTF8', '--no-instructions'];
    // Its own working directory may be one that the other user must not look into.
    execFileSync(postgresProgram('initdb'), ['-D', data, ...how], { cwd: dir, ...who, stdio: 'pipe' });
    const child = start(
      'postgres',
      postgresProgram('postgres'),
      ['-D', data, '-h', '127.0.0.1', '-p', String(port), '-k', ''],
      // A fast shutdown, which gives its shared memory back.
      { cwd: dir, ...who, endSignal: 'SIGINT' },
    );
    await child.saying(/ready to accept connections/);
    return { child, address: `postgres://bench@127.0.0.1:${port}/postgres` };
  },
};

function postgresProgram(name: string): string {
  return findProgram(name, postgresFolders()) ?? name;
}

/**
 * Restate bounds the invocations at once for each partition (measured: with its 24 partitions a limit of 16 lets 384 run).
 * With a few partitions the bound of all together is the one that the other tools have.
 */
const restatePartitions = 4;

const restateProgram = join(
  import.meta.dirname,
  `node_modules/@restatedev/restate-server-${process.platform}-${process.arch}/bin/restate-server`,
);

export const restate: ServerKind = {
  absent: () => (existsSync(restateProgram) ? undefined : 'restate-server is not installed: `npm ci` in bench/peers'),
  version: () => firstLine(restateProgram, ['--version']).replace('restate-server', 'Restate server'),
  async start(dir, concurrency) {
    mkdirSync(dir, { recursive: true });
    const [ingress, admin, node, servicePort] = [
      await freePort(),
      await freePort(),
      await freePort(),
      await freePort(),
    ];
    const child = start('restate-server', restateProgram, ['--no-logo', '--base-dir', dir, '--bind-ip', '127.0.0.1'], {
      env: {
        ...process.env,
        RESTATE_LISTEN_MODE: 'tcp',
        RESTATE_BIND_PORT: String(node),
        RESTATE_INGRESS__BIND_PORT: String(ingress),
        RESTATE_ADMIN__BIND_PORT: String(admin),
        RESTATE_DEFAULT_NUM_PARTITIONS: String(restatePartitions),
        RESTATE_WORKER__INVOKER__CONCURRENT_INVOCATIONS_LIMIT: String(Math.ceil(concurrency / restatePartitions)),
        RESTATE_DISABLE_TELEMETRY: 'true',
      },
    });
    const adminUrl = `http://127.0.0.1:${admin}`;
    const ingressUrl = `http://127.0.0.1:${ingress}`;
    await answering(`${adminUrl}/health`, child);
    await answering(`${ingressUrl}/restate/health`, child);
    return { child, address: JSON.stringify({ adminUrl, ingressUrl, servicePort }) };
  },
};

/** Asks until the server is well, for as long as a start may take. */
async function answering(url: string, child: Child): Promise<void> {
  for (let tries = 1; tries <= 300; tries += 1) {
    const answer = await fetch(url).catch(() => undefined);
    if (answer?.ok === true) return;
    if (child.process.exitCode !== null) break;
    await wait(200);
  }
  throw new Error(`${url} did not answer. The server said:\n${child.output()}`);
}
