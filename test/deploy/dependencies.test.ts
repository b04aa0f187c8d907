/** The bundles hold what docs/dependencies.md says, and nothing else. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { beforeAll, expect, test } from '@jest/globals';
import { bundlesOf, type Bundle } from './bundled.ts';
import { packageVariant, serviceDir } from './variants.ts';

type Manifest = { version: string; license: string; dependencies?: Record<string, string> };
const manifest = (folder: string): Manifest =>
  JSON.parse(readFileSync(join(serviceDir, folder, 'package.json'), 'utf8')) as Manifest;

let bundles: Bundle[];
let inBundles: Set<string>;
beforeAll(async () => {
  bundles = await bundlesOf((await packageVariant('direct')).packageDir);
  inBundles = new Set(bundles.flatMap(({ bytesOf }) => [...bytesOf.keys()]).filter((name) => name !== 's3-cascade'));
});

test('what is looked at is what is packaged, byte for byte', () => {
  expect(bundles).toHaveLength(8);
  for (const { functionName, packaged, built } of bundles)
    expect([functionName, packaged.equals(built)]).toEqual([functionName, true]);
});

test('each package in a bundle stands in the table with its version and licence, and no other does', () => {
  const page = readFileSync(join(serviceDir, 'docs/dependencies.md'), 'utf8');
  const rows = [...page.matchAll(/^\| (@?[\w/.-]+) +\| (\d[\w.-]*) +\| ([\w.-]+) +\|/gm)];
  const told = rows.map(([, name, version, licence]) => `${name} ${version} ${licence}`).sort();
  const found = [...inBundles].map((name) => {
    const { version, license } = manifest(join('node_modules', name));
    return `${name} ${version} ${license}`;
  });
  expect(told).toEqual(found.sort());
});

test('what our own code imports is a production dependency, and each of these is in a bundle', () => {
  const direct = Object.keys(manifest('.').dependencies ?? {});
  const known = new Set<string>();
  const left = [...direct];
  for (let name = left.pop(); name !== undefined; name = left.pop()) {
    if (known.has(name)) continue;
    known.add(name);
    if (inBundles.has(name)) left.push(...Object.keys(manifest(join('node_modules', name)).dependencies ?? {}));
  }
  expect([...inBundles].filter((name) => !known.has(name))).toEqual([]);
  expect(direct.filter((name) => !inBundles.has(name))).toEqual([]);
});
