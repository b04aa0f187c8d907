/** The commands as a person runs them: in processes of their own; here, or in a checkout in a temporary folder. */
import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { cpSync, mkdirSync, mkdtempSync, rmSync, symlinkSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

export const root = join(import.meta.dirname, '..', '..');

export type Ended = { status: number | null; stdout: string; stderr: string };
export type Running = {
  child: ChildProcess;
  stdout: () => string;
  stderr: () => string;
  /** Resolves when this has been printed on stdout. @throws Error when the command ends without it */
  until: (text: string | RegExp) => Promise<void>;
  ended: Promise<Ended>;
};

export type Commands = {
  /** @param command such as `cli/start` @param env added to PATH, HOME and TMPDIR */
  launch: (command: string, args: readonly string[], options?: LaunchOptions) => Running;
  folder: () => string;
  /** Ends what runs, and deletes what was made. */
  close: () => Promise<void>;
  closing: (() => unknown)[];
};

export type LaunchOptions = { env?: Record<string, string>; dir?: string };

export function createCommands(): Commands {
  const closing: Commands['closing'] = [];
  const folder = (): string => {
    const made = mkdtempSync(join(tmpdir(), 's3-cascade-cli-'));
    closing.push(() => rmSync(made, { recursive: true, force: true }));
    return made;
  };
  return {
    closing,
    folder,
    launch(command, args, { env = {}, dir = root } = {}) {
      const { PATH = '', HOME = '' } = process.env;
      const child = spawn(process.execPath, [join(dir, `${command}.ts`), ...args], {
        cwd: dir,
        env: { PATH, HOME, TMPDIR: folder(), ...env },
        stdio: ['ignore', 'pipe', 'pipe'],
      });
      closing.push(() => void child.kill('SIGKILL'));
      return watch(child);
    },
    async close() {
      for (const close of closing.splice(0).reverse()) await close();
    },
  };
}

export function watch(child: ChildProcess): Running {
  const output = { stdout: '', stderr: '' };
  child.stdout?.setEncoding('utf8').on('data', (part: string) => (output.stdout += part));
  child.stderr?.setEncoding('utf8').on('data', (part: string) => (output.stderr += part));
  const ended = once(child, 'close').then(([status]) => ({ status: status as number | null, ...output }));
  return {
    child,
    stdout: () => output.stdout,
    stderr: () => output.stderr,
    async until(text) {
      const isThere = (): boolean =>
        typeof text === 'string' ? output.stdout.includes(text) : text.test(output.stdout);
      while (!isThere()) {
        const next = child.stdout === null ? ended : once(child.stdout, 'data');
        const result = await Promise.race([next.then(() => undefined), ended]);
        if (result !== undefined && !isThere())
          throw new Error(`The command ended with ${result.status} without printing ${String(text)}: ${result.stderr}`);
      }
    },
    ended,
  };
}

/** What `npm run local` prints to be exported. */
export function exportedBy(stdout: string): Record<string, string> {
  return Object.fromEntries(
    [...stdout.matchAll(/^export (\w+)=(.*)$/gm)].map(([, name = '', value = '']) => [name, value]),
  );
}

/** A checkout without any source, in a folder. */
export function makeCheckout(folder: string): string {
  const dir = join(folder, 'checkout');
  mkdirSync(join(dir, 'sources'), { recursive: true });
  for (const name of [
    'cli',
    'functions',
    'infra',
    'shared',
    'local-aws',
    'page',
    'serverless.yml',
    'package.json',
    'tsconfig.json',
  ])
    cpSync(join(root, name), join(dir, name), {
      recursive: true,
      filter: (from) => from !== join(root, 'local-aws/test'),
    });
  symlinkSync(join(root, 'node_modules'), join(dir, 'node_modules'));
  return dir;
}
