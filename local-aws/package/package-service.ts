/**
 * Packages the service with the installed `serverless package`, exactly as a deployment does, and unpacks the artifacts.
 * A package is kept under the hash of all that goes into it: a second start packages nothing, and a running engine's code
 * does not change under it.
 */
import { spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { glob, mkdir, readdir, readFile, rename, rm, stat, utimes } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { waitForFolder } from '../folder-lock.ts';
import { PackageError } from './errors.ts';
import { templateFile } from './load-package.ts';
import { asList, asText } from './shape.ts';
import { unzipTo } from './unzip.ts';

export type PackageOptions = {
  /** The folder with serverless.yml. */
  serviceDir: string;
  stage?: string;
  /** `--param` of the framework. */
  params?: Readonly<Record<string, string>>;
  /** Default: `.local/package` in the service's folder. */
  outDir?: string;
};

export type PackagedService = {
  /** Takes part in the package's hash, so it is another one when anything in it is. */
  packageDir: string;
  /** false: all that goes in was as it is, so that nothing had to be done. */
  isNew: boolean;
};

/** The framework's own default, so that `npx sls invoke -f NAME` finds the functions without --stage. */
export const defaultStage = 'dev';

const packagingTimeoutMs = 300_000;
/** A package that has not been used for this long is removed. */
const keepUnusedMs = 7 * 86_400_000;

/** @throws PackageError with the framework's whole output when it fails */
export async function packageService(options: PackageOptions): Promise<PackagedService> {
  const { serviceDir, stage = defaultStage, params = {} } = options;
  const outDir = options.outDir ?? join(serviceDir, '.local', 'package');
  const hash = await hashInputs(serviceDir, [stage, JSON.stringify(params), process.version]);
  const packageDir = join(outDir, hash);
  if (existsSync(packageDir)) {
    const now = new Date();
    await utimes(packageDir, now, now); // So that it counts as used.
    return { packageDir, isNew: false };
  }
  // The framework works in .serverless and .esbuild of the service's folder, where two at once would meet.
  const lock = await waitForFolder(outDir, packagingTimeoutMs);
  try {
    if (existsSync(packageDir)) return { packageDir, isNew: false };
    const building = join(outDir, `building-${process.pid}`);
    await rm(building, { recursive: true, force: true });
    await mkdir(building, { recursive: true });
    await runPackage(serviceDir, building, outDir, stage, params);
    for (const file of await readdir(building)) {
      if (!file.endsWith('.zip')) continue;
      await unzipTo(await readFile(join(building, file)), join(building, 'code', basename(file, '.zip')), file);
    }
    await mustBeWhole(building);
    await rename(building, packageDir);
    await removeUnused(outDir, packageDir);
    return { packageDir, isNew: true };
  } finally {
    lock.release();
  }
}

async function runPackage(
  serviceDir: string,
  into: string,
  cacheDir: string,
  stage: string,
  params: Readonly<Record<string, string>>,
): Promise<void> {
  const bin = join(serviceDir, 'node_modules', 'serverless', 'bin', 'serverless.js');
  const paramArguments = Object.entries(params).flatMap(([name, value]) => ['--param', `${name}=${value}`]);
  const env = {
    // Nothing of a person's AWS account gets in: packaging needs no credentials, and the region is the engine's.
    ...Object.fromEntries(Object.entries(process.env).filter(([name]) => !/^(AWS|SLS|NODE_OPTIONS)/.test(name))),
    AWS_REGION: 'us-east-1',
    AWS_EC2_METADATA_DISABLED: 'true',
    SLS_TELEMETRY_DISABLED: '1',
    SLS_NOTIFICATIONS_MODE: 'off',
    SLS_INTERACTIVE_SETUP_ENABLE: '',
    // The framework keeps compiled schemas, by default in the home folder.
    SLS_SCHEMA_CACHE_BASE_DIR: cacheDir,
    NO_COLOR: '1',
  };
  const args = [bin, 'package', '--stage', stage, '--package', into, ...paramArguments];
  const { status, output } = await run(args, { cwd: serviceDir, env });
  if (status !== 0 || !existsSync(join(into, templateFile))) {
    await rm(into, { recursive: true, force: true });
    throw new PackageError('SLS_FAILED', `\`serverless package\` failed. It said:\n\n${output.trim()}\n`);
  }
}

/**
 * A person may run the framework in the same folder at the same time, and either clears the other's .serverless and .esbuild.
 * @throws PackageError when an artifact is missing that the template names
 */
async function mustBeWhole(folder: string): Promise<void> {
  const template = await readFile(join(folder, templateFile), 'utf8');
  const named = new Set([...template.matchAll(/\/([A-Za-z0-9-]+\.zip)"/g)].map(([, name = '']) => name));
  const missing = [...named].filter((name) => !existsSync(join(folder, name)));
  if (missing.length === 0) return;
  await rm(folder, { recursive: true, force: true });
  const message = `The package lacks ${missing.join(', ')}. Did another \`sls package\` run here at the same time? Run it again.`;
  throw new PackageError('SLS_FAILED', message);
}

/**
 * Runs the framework to its end. After an error in a bundle it has said all but does not end by itself, since
 * serverless-esbuild leaves esbuild running; so it is ended a second after its report's last lines.
 */
async function run(args: readonly string[], options: { cwd: string; env: NodeJS.ProcessEnv }) {
  const child = spawn(process.execPath, args, { ...options, stdio: ['ignore', 'pipe', 'pipe'] });
  const end = (): boolean => child.kill('SIGKILL');
  const tooLong = setTimeout(end, packagingTimeoutMs);
  let reported: NodeJS.Timeout | undefined;
  let output = '';
  for (const stream of [child.stdout, child.stderr]) {
    stream.setEncoding('utf8').on('data', (part: string) => {
      output += part;
      if (reported === undefined && /^Environment: .+osls/m.test(output)) reported = setTimeout(end, 1000);
    });
  }
  const [status] = (await once(child, 'close')) as [number | null];
  clearTimeout(tooLong);
  clearTimeout(reported);
  return { status, output };
}

/** A hash of the bytes and names of all that goes in, in the order of the names. */
async function hashInputs(serviceDir: string, more: readonly string[]): Promise<string> {
  const hash = createHash('sha256');
  for (const part of more) hash.update(`${part}\0`);
  const files: string[] = [];
  for await (const file of glob(await packageInputs(serviceDir), { cwd: serviceDir, exclude: isNoInput })) {
    if ((await stat(join(serviceDir, file))).isFile()) files.push(file);
  }
  for (const file of files.sort()) {
    const bytes = await readFile(join(serviceDir, file));
    hash.update(`${file}\0${bytes.length}\0`).update(bytes);
  }
  return hash.digest('hex').slice(0, 16);
}

/**
 * The service says in its package.json what goes into a package, e.g. `"localAws": {"packageInputs": ["serverless.yml",
 * "functions/**"]}`; otherwise everything does.
 */
async function packageInputs(serviceDir: string): Promise<string[]> {
  const where = join(serviceDir, 'package.json');
  if (!existsSync(where)) return ['**'];
  const { localAws } = JSON.parse(await readFile(where, 'utf8')) as { localAws?: { packageInputs?: unknown } };
  return localAws?.packageInputs === undefined
    ? ['**']
    : asList(localAws.packageInputs, `${where}: localAws.packageInputs`).map((glob) => asText(glob, where));
}

/** Installed packages are named in the lock file; folders like .git and .local hold no source. */
function isNoInput(name: string): boolean {
  const last = basename(name);
  return last === 'node_modules' || (last.startsWith('.') && last !== '.');
}

async function removeUnused(outDir: string, current: string): Promise<void> {
  for (const name of await readdir(outDir)) {
    const path = join(outDir, name);
    const isPackage = /^[0-9a-f]{16}$/.test(name) || name.startsWith('building-');
    if (!isPackage || path === current) continue;
    if (Date.now() - (await stat(path)).mtimeMs > keepUnusedMs) await rm(path, { recursive: true, force: true });
  }
}
