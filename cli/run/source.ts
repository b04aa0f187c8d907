/** The source that a command is for: its chain, and the fake of its API if it ships one. */
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { parseArgs } from 'node:util';
import { loadChain } from '../../infra/source.ts';
import type { SourceChain } from '../../shared/source/define.ts';
import type { FakeApi } from '../fake-api.ts';
import { UsageError, type OptionTable } from '../terminal/options.ts';

export const projectDir = join(import.meta.dirname, '../..');
export const sourcesDir = join(projectDir, 'sources');

export type Source = { name: string; chain: SourceChain; fake: FakeApi | undefined };

/** @throws UsageError when there is no such source, or its chain or its fake can't be loaded */
export async function loadSource(name: string): Promise<Source> {
  return { name, chain: await loadSourceChain(name), fake: await loadFake(name) };
}

async function loadSourceChain(name: string): Promise<SourceChain> {
  try {
    const chain = await loadChain(name, sourcesDir);
    if ('api' in chain && 'declarations' in chain) return chain as SourceChain;
  } catch (error) {
    if ((error as Error).name === 'DeploymentError') throw new UsageError((error as Error).message, { cause: error });
    throw error;
  }
  throw new UsageError(`sources/${name}/chain.ts must export what defineChain returns as its default.`);
}

async function loadFake(name: string): Promise<FakeApi | undefined> {
  const file = join(sourcesDir, name, 'fake/index.ts');
  if (!existsSync(file)) return undefined;
  const { default: fake } = (await import(pathToFileURL(file).href)) as { default?: Partial<FakeApi> };
  if (typeof fake?.start === 'function' && typeof fake.name === 'string' && fake.options && fake.data)
    return fake as FakeApi;
  throw new UsageError(`sources/${name}/fake/index.ts must export a FakeApi (cli/fake-api.ts) as its default.`);
}

/**
 * The source that is deployed without `--param source=…`: the line `source:` under `params:`, `default:` in serverless.yml.
 * @throws UsageError when it is not a plain name
 */
export function selectedSource(): string {
  const lines = readFileSync(join(projectDir, 'serverless.yml'), 'utf8').split('\n');
  const from = lines.indexOf('params:');
  const length = lines.slice(from + 1).findIndex((line) => /^\S/.test(line) && !line.startsWith('#'));
  const params = lines.slice(from + 1, length === -1 ? undefined : from + 1 + length).join('\n');
  const name = /^ {2}default:\n(?:(?: {4}.*| *#.*|)\n)*? {4}source: *(['"]?)([\w-]+)\1 *(?:#.*)?$/m.exec(params)?.[2];
  if (from !== -1 && name !== undefined) return name;
  throw new UsageError('serverless.yml names no source under params: default: source. Give --source NAME.');
}

/** One text option, before it is known which options the source adds. */
export function peekOption(args: readonly string[], name: string): string | undefined {
  const { tokens } = parseArgs({
    args: [...args],
    options: { [name]: { type: 'string' } },
    strict: false,
    tokens: true,
  });
  const token = tokens.find((each) => each.kind === 'option' && each.name === name);
  return token?.kind === 'option' ? token.value : undefined;
}

/**
 * The options of a command together with those of the source's fake.
 * @throws UsageError when the fake has an option with a name of the command's
 */
export function withFakeOptions<Options extends OptionTable>(options: Options, { name, fake }: Source): Options {
  const taken = Object.keys(fake?.options ?? {}).filter((each) => Object.hasOwn(options, each));
  if (taken.length > 0)
    throw new UsageError(
      `sources/${name}/fake has the option --${taken.join(', --')}, which the command has itself: rename it.`,
    );
  return { ...options, ...fake?.options };
}
