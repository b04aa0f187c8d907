/** Which unit tests are tried on a file. */
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { RelatedTests } from './related-tests.ts';

let folder: string;

const files = {
  'shared/engine/a.ts': "import { b } from './b.ts';\nimport type { C } from './c.ts';",
  'shared/engine/b.ts': '',
  'shared/engine/c.ts': '',
  'shared/engine/d.ts': '',
  'test/unit/engine/a.test.ts': "import { a } from '../../../shared/engine/a.ts';\nimport { test } from 'package';",
  'test/unit/engine/b.test.ts': "import { b } from '../../../shared/engine/b.ts';",
  'test/unit/engine/other.test.ts': "import {\n  b,\n} from '../../../shared/engine/b.ts';",
};

beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 's3-cascade-related-'));
  for (const [path, text] of Object.entries(files)) {
    mkdirSync(dirname(join(folder, path)), { recursive: true });
    writeFileSync(join(folder, path), text);
  }
});

afterAll(() => rmSync(folder, { recursive: true, force: true }));

test('the test of the file itself comes first, then those that import it, and then those that do by way of others', () => {
  expect(new RelatedTests(folder).of('shared/engine/b.ts')).toEqual([
    'test/unit/engine/b.test.ts',
    'test/unit/engine/other.test.ts',
    'test/unit/engine/a.test.ts',
  ]);
});

test('a file of which only a type is used, or nothing, has no tests', () => {
  const related = new RelatedTests(folder);
  expect(related.of('shared/engine/c.ts')).toEqual([]);
  expect(related.of('shared/engine/d.ts')).toEqual([]);
});
