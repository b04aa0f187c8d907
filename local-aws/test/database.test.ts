import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { spawn } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { DatabaseSync } from 'node:sqlite';
import { inTransaction, openDatabase } from '../database.ts';

describe('a transaction', () => {
  let db: DatabaseSync;
  const add = (n: number) => db.prepare('INSERT INTO t VALUES (?)').run(n);
  const all = () =>
    db
      .prepare('SELECT n FROM t ORDER BY n')
      .all()
      .map(({ n }) => n);

  beforeEach(() => {
    db = openDatabase();
    db.exec('CREATE TABLE t (n INTEGER)');
  });
  afterEach(() => db.close());

  test('keeps what was written and gives the result', () => {
    expect(inTransaction(db, () => add(1).changes)).toBe(1);
    expect(all()).toEqual([1]);
  });

  test('that throws keeps nothing and throws the same error', () => {
    const error = new Error('no');
    const failing = () =>
      inTransaction(db, () => {
        add(1);
        throw error;
      });
    expect(failing).toThrow(error);
    expect(all()).toEqual([]);
    expect(db.isTransaction).toBe(false);
  });

  test('inside another one is undone with it', () => {
    const failing = () =>
      inTransaction(db, () => {
        inTransaction(db, () => add(1));
        throw new Error('no');
      });
    expect(failing).toThrow('no');
    expect(all()).toEqual([]);
  });

  test('inside another one, caught there, takes only its own writes along', () => {
    inTransaction(db, () => {
      add(1);
      expect(() =>
        inTransaction(db, () => {
          add(2);
          inTransaction(db, () => add(3));
          throw new Error('no');
        }),
      ).toThrow('no');
      inTransaction(db, () => add(4));
    });
    expect(all()).toEqual([1, 4]);
  });
});

describe('a database in a file', () => {
  let folder: string;
  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'local-aws-'));
  });
  afterEach(() => rmSync(folder, { recursive: true }));

  test('keeps every transaction that was committed before a SIGKILL, and no half of another', async () => {
    const file = join(folder, 'engine.db');
    const module = new URL('../database.ts', import.meta.url).href;
    const script = `
      import { writeSync } from 'node:fs';
      import { inTransaction, openDatabase } from ${JSON.stringify(module)};
      const db = openDatabase(${JSON.stringify(file)});
      db.exec('CREATE TABLE t (n INTEGER)');
      const add = db.prepare('INSERT INTO t VALUES (?)');
      for (let n = 1; ; n += 2) {
        inTransaction(db, () => { add.run(n); add.run(n + 1); });
        writeSync(1, (n + 1) + '\\n');
      }`;
    const child = spawn(process.execPath, ['--input-type=module', '-e', script], {
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    const exited = new Promise((resolve) => child.once('exit', resolve));
    let committed = 0;
    for await (const chunk of child.stdout) {
      const lines = String(chunk).trimEnd().split('\n');
      committed = Math.max(committed, ...lines.slice(0, -1).map(Number));
      if (committed > 200) child.kill('SIGKILL');
    }
    await exited;
    const db = openDatabase(file);
    const { count, last } = db.prepare('SELECT count(*) AS count, max(n) AS last FROM t').get() ?? {};
    expect(last).toBeGreaterThanOrEqual(committed);
    expect(count).toBe(last);
    expect(Number(count) % 2).toBe(0);
    db.close();
  });
});
