/**
 * The processes that a sitting starts, and its folders: none of them outlives it, however it ends. Each child leads a
 * process group of its own, so that what it started goes with it. What a child says is kept, to be shown when it fails.
 */
import { fork, spawn, type ChildProcess, type SpawnOptions } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { createServer, type AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as wait } from 'node:timers/promises';

export type Child = {
  readonly pid: number;
  readonly process: ChildProcess;
  /** The last of what it wrote to stdout and stderr. */
  output: () => string;
  /** Resolves once something that it wrote matches; rejects when it ends first or takes too long. */
  saying: (pattern: RegExp) => Promise<RegExpExecArray>;
  /** SIGTERM, or the signal that it was started with, and SIGKILL to its whole group if it does not end. */
  end: () => Promise<void>;
  /** SIGKILL to its whole group; resolves when it is gone. */
  kill: () => Promise<void>;
};

type Options = Pick<SpawnOptions, 'cwd' | 'env' | 'uid' | 'gid'> & { endSignal?: NodeJS.Signals };

const keptCharacters = 8_000;
const startTimeoutMs = 60_000;
const endTimeoutMs = 10_000;

const living = new Set<{ child: ChildProcess; endSignal: NodeJS.Signals }>();
const folders = new Set<string>();

export function start(name: string, file: string, args: readonly string[], options: Options = {}): Child {
  const { endSignal, ...rest } = options;
  return watch(name, spawn(file, args, { ...rest, detached: true, stdio: ['ignore', 'pipe', 'pipe'] }), endSignal);
}

/** A Node process with a channel. */
export function startNode(name: string, script: string, args: readonly string[]): Child {
  return watch(name, fork(script, args, { detached: true, stdio: ['ignore', 'pipe', 'pipe', 'ipc'] }));
}

function watch(name: string, child: ChildProcess, endSignal: NodeJS.Signals = 'SIGTERM'): Child {
  const entry = { child, endSignal };
  living.add(entry);
  let output = '';
  let onOutput = (): void => undefined;
  for (const stream of [child.stdout, child.stderr]) {
    stream?.setEncoding('utf8').on('data', (text: string) => {
      output = (output + text).slice(-keptCharacters);
      onOutput();
    });
  }
  const ended = new Promise<void>((resolve) => {
    child.once('error', (error) => {
      output += `${String(error)}\n`;
      resolve();
    });
    child.once('exit', () => resolve());
  }).then(() => {
    living.delete(entry);
    onOutput();
  });
  const kill = async (): Promise<void> => {
    signalGroup(child, 'SIGKILL');
    await ended;
  };
  return {
    pid: child.pid ?? -1,
    process: child,
    output: () => output,
    saying: (pattern) =>
      new Promise((resolve, reject) => {
        const refuse = (why: string): void => reject(new Error(`${name} ${why}. It said:\n${output}`));
        const timer = setTimeout(() => refuse('did not start in time'), startTimeoutMs);
        onOutput = () => {
          const found = pattern.exec(output);
          if (found === null && living.has(entry)) return;
          clearTimeout(timer);
          onOutput = () => undefined;
          if (found === null) refuse('ended');
          else resolve(found);
        };
        onOutput();
      }),
    async end() {
      if (!living.has(entry)) return;
      child.kill(endSignal);
      await Promise.race([ended, wait(endTimeoutMs, undefined, { ref: false })]);
      await kill();
    },
    kill,
  };
}

function signalGroup(child: ChildProcess, signal: NodeJS.Signals): void {
  if (child.pid === undefined) return;
  try {
    process.kill(-child.pid, signal);
  } catch (error) {
    // The whole group is gone already.
    if ((error as NodeJS.ErrnoException).code !== 'ESRCH') throw error;
  }
}

/** The next message of a child that matters; rejects when it ends first, or when `signal` is aborted. */
export async function messageOf<Message>(child: Child, name: string, signal: AbortSignal): Promise<Message> {
  const gone = new AbortController();
  const either = AbortSignal.any([signal, gone.signal]);
  const onExit = (): void => gone.abort(new Error(`${name} ended. It said:\n${child.output()}`));
  child.process.once('exit', onExit);
  try {
    if (child.process.exitCode !== null || child.process.signalCode !== null) onExit();
    const [message] = (await once(child.process, 'message', { signal: either })) as [Message];
    return message;
  } catch (error) {
    throw either.aborted ? either.reason : error;
  } finally {
    child.process.removeListener('exit', onExit);
  }
}

export function temporaryFolder(): { path: string; remove: () => void } {
  const path = mkdtempSync(join(tmpdir(), 's3-cascade-peers-'));
  folders.add(path);
  return {
    path,
    remove: () => {
      rmSync(path, { recursive: true, force: true, maxRetries: 5 });
      folders.delete(path);
    },
  };
}

/** Free a moment ago. */
export async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  server.close();
  await once(server, 'close');
  return port;
}

function endAll(): void {
  for (const { child, endSignal } of living) {
    // A server with an end signal of its own leaves something behind in the kernel when it is killed.
    if (endSignal === 'SIGTERM') signalGroup(child, 'SIGKILL');
    else child.kill(endSignal);
  }
  for (const folder of folders) rmSync(folder, { recursive: true, force: true, maxRetries: 5 });
}

/** From now on, whatever ends this process ends its children too. */
export function endChildrenWithThis(): void {
  process.on('exit', endAll);
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.once(signal, () => process.exit(130));
}
