/** DuckDB, which is no dependency of the functions: it is loaded when a question is asked. */
import type { DuckDBConnection, DuckDBValue } from '@duckdb/node-api';
import { UsageError } from '../terminal/options.ts';

export type View = { name: string; files: readonly string[] };

export type Answer = { columns: readonly string[]; rows: readonly (readonly DuckDBValue[])[] };

export type Database = {
  /** @throws UsageError with DuckDB's own words */
  query: (sql: string) => Promise<Answer>;
  close: () => void;
};

/**
 * @param views by name: what each is made of
 * @throws UsageError when DuckDB is not installed
 */
export async function openDuckDb(views: readonly View[]): Promise<Database> {
  const { DuckDBInstance } = await loadDuckDb();
  const instance = await DuckDBInstance.create(':memory:');
  const connection = await instance.connect();
  for (const view of views) await connection.run(viewOf(view));
  return {
    query: (sql) => ask(connection, sql),
    close() {
      connection.closeSync();
      instance.closeSync();
    },
  };
}

/** @throws UsageError when it is not installed */
export async function loadDuckDb(): Promise<typeof import('@duckdb/node-api')> {
  try {
    return await import('@duckdb/node-api');
  } catch (error) {
    throw new UsageError(
      `DuckDB is not installed (${(error as NodeJS.ErrnoException).code ?? String(error)}): npm install --include=optional, or query the files of npm run download with a DuckDB of your own.`,
    );
  }
}

async function ask(connection: DuckDBConnection, sql: string): Promise<Answer> {
  try {
    const reader = await connection.runAndReadAll(sql);
    return { columns: reader.deduplicatedColumnNames(), rows: reader.getRows() };
  } catch (error) {
    throw new UsageError(error instanceof Error ? error.message : String(error));
  }
}

/** `run` comes from the folders. Files of several runs may differ in their columns. */
function viewOf({ name, files }: View): string {
  const list = files.map((file) => `'${file.replaceAll("'", "''")}'`).join(', ');
  const options = `hive_partitioning = true, hive_types = {'run': varchar}, union_by_name = true`;
  return `create view "${name}" as select * from read_parquet([${list}], ${options})`;
}
