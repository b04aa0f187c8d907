/** The judge of published tables: DuckDB, which shares no code with what wrote them. */
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { DuckDBInstance } from '@duckdb/node-api';

export type Judge = {
  /** Rows as objects: int64 as bigint, timestamps as texts, everything else as JavaScript has it. */
  query: (sql: string) => Promise<Record<string, unknown>[]>;
  /** The same, of a result that is too large to be held at once. */
  rows: (sql: string) => AsyncGenerator<Record<string, unknown>>;
  /** The folder that the files are in: `$DIR` in a query stands for it. */
  readonly dir: string;
  close: () => void;
};

/** @param files by key */
export async function openJudge(files: Iterable<readonly [key: string, body: Uint8Array]>): Promise<Judge> {
  const dir = mkdtempSync(join(tmpdir(), 's3-cascade-judge-'));
  for (const [key, body] of files) {
    const path = join(dir, key);
    mkdirSync(dirname(path), { recursive: true });
    writeFileSync(path, body);
  }
  const instance = await DuckDBInstance.create(':memory:', { threads: '1' });
  const connection = await instance.connect();
  return {
    dir,
    async query(sql) {
      const reader = await connection.runAndReadAll(sql.replaceAll('$DIR', dir));
      return reader.getRowObjectsJS();
    },
    async *rows(sql) {
      const result = await connection.stream(sql.replaceAll('$DIR', dir));
      for await (const rows of result.yieldRowObjectJs()) yield* rows;
    },
    close() {
      connection.closeSync();
      instance.closeSync();
      rmSync(dir, { recursive: true, force: true });
    },
  };
}
