/** Which unit tests a file of the engine can make fail: those that import it, directly or by way of others. */
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import ts from 'typescript';

const testFolders = ['test/unit/engine', 'test/unit/core'];

export class RelatedTests {
  readonly #folder: string;
  /** By test file, how many imports away each file is. */
  readonly #distances: Map<string, ReadonlyMap<string, number>>;
  readonly #imports = new Map<string, readonly string[]>();

  constructor(folder: string) {
    this.#folder = folder;
    const tests = testFolders
      .filter((path) => existsSync(join(folder, path)))
      .flatMap((path) =>
        readdirSync(join(folder, path), { recursive: true, encoding: 'utf8' })
          .filter((name) => name.endsWith('.test.ts'))
          .map((name) => join(path, name)),
      );
    this.#distances = new Map(tests.sort().map((test) => [test, this.#walk(test)]));
  }

  /** @returns the test of the file itself first, then by how many imports are between */
  of(file: string): string[] {
    const own = file.replace(/^shared\//, 'test/unit/').replace(/\.ts$/, '.test.ts');
    const rank = (test: string): number => (test === own ? -1 : (this.#distances.get(test)?.get(file) ?? Infinity));
    return [...this.#distances.keys()].filter((test) => rank(test) < Infinity).sort((a, b) => rank(a) - rank(b));
  }

  #walk(test: string): ReadonlyMap<string, number> {
    const distances = new Map([[test, 0]]);
    for (const [file, distance] of distances) {
      for (const imported of this.#importsOf(file)) if (!distances.has(imported)) distances.set(imported, distance + 1);
    }
    return distances;
  }

  /** From the project's folder; packages and types are left out. */
  #importsOf(file: string): readonly string[] {
    const known = this.#imports.get(file);
    if (known !== undefined) return known;
    const path = join(this.#folder, file);
    const text = existsSync(path) ? readFileSync(path, 'utf8').replaceAll(/^(import|export) type\b[^;]*;/gm, '') : '';
    const imports = ts
      .preProcessFile(text)
      .importedFiles.flatMap(({ fileName }) => (fileName.startsWith('.') ? [join(dirname(file), fileName)] : []));
    this.#imports.set(file, imports);
    return imports;
  }
}
