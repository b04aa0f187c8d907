/** A source is one folder: what is written for this one is in it, and leaves with it. */
import { expect, test } from '@jest/globals';
import { readdirSync, readFileSync } from 'node:fs';
import { join, relative, sep } from 'node:path';

const projectDir = join(import.meta.dirname, '../../..');
const notOurs = new Set(['.git', '.esbuild', '.local', '.serverless', 'coverage', 'node_modules']);
/** They may tell people of it, and CI installs the server that its tests use. */
const mayNameIt = /^(docs|\.ci|sources\/prometheus)\/|\.md$/;

function filesUnder(folder: string): string[] {
  return readdirSync(folder, { withFileTypes: true }).flatMap((entry) => {
    if (notOurs.has(entry.name)) return [];
    const path = join(folder, entry.name);
    if (entry.isDirectory()) return filesUnder(path);
    return entry.isFile() ? [relative(projectDir, path).replaceAll(sep, '/')] : [];
  });
}

test('no file outside the folder names the source, documents and CI aside', () => {
  const files = filesUnder(projectDir).filter((file) => !mayNameIt.test(file));
  expect(files).toContain('serverless.yml');
  const naming = files.filter((file) => /prometheus/i.test(readFileSync(join(projectDir, file), 'utf8')));
  expect(naming).toEqual([]);
});

test('the chain takes less than 60 lines', () => {
  const lines = readFileSync(join(import.meta.dirname, '../chain.ts'), 'utf8').split('\n');
  expect(lines.length).toBeLessThan(60);
});
