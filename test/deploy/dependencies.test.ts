/** The bundles hold what docs/dependencies.md says, and nothing else. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { beforeAll, expect, test } from '@jest/globals';
import { bundlesOf, type Bundle } from './bundled.ts';
import { dependenciesPage, directDependencies, manifestOf, packagesIn, withoutSizes } from './dependencies-page.ts';
import { packageVariant, serviceDir } from './variants.ts';

let bundles: Bundle[];
let inBundles: Set<string>;
beforeAll(async () => {
  bundles = await bundlesOf((await packageVariant('direct')).packageDir);
  inBundles = new Set(packagesIn(bundles));
});

test('what is looked at is what is packaged, byte for byte', () => {
  expect(bundles.map(({ file, packaged }) => [file, packaged.length])).toEqual([
    ['functions/fetch', 4],
    ...['publish', 'publish-piece', 'replay', 'sweep', 'rate', 'status'].map((name) => [`functions/${name}`, 1]),
  ]);
  for (const { file, packaged, built } of bundles)
    for (const bytes of packaged) expect([file, bytes.equals(built)]).toEqual([file, true]);
});

test('docs/dependencies.md names each package in a bundle: `npm run pages` writes it', () => {
  const page = readFileSync(join(serviceDir, 'docs/dependencies.md'), 'utf8');
  expect(withoutSizes(page)).toBe(withoutSizes(dependenciesPage(bundles)));
});

test('what our own code imports is a production dependency, and each of these is in a bundle', () => {
  const direct = directDependencies();
  const known = new Set<string>();
  const left = [...direct];
  for (let name = left.pop(); name !== undefined; name = left.pop()) {
    if (known.has(name)) continue;
    known.add(name);
    if (inBundles.has(name)) left.push(...Object.keys(manifestOf(join('node_modules', name)).dependencies ?? {}));
  }
  expect([...inBundles].filter((name) => !known.has(name))).toEqual([]);
  expect(direct.filter((name) => !inBundles.has(name))).toEqual([]);
});
