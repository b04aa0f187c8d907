/** `npm run query`, `npm run download` and `npm start -- --out`, as a person runs them: against the local engine, with the example. */
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { mkdirSync, readdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { PutObjectCommand, S3Client } from '@aws-sdk/client-s3';
import { DuckDBInstance } from '@duckdb/node-api';
import type { Manifest } from '../../shared/engine/publish/manifest.ts';
import { createCommands, exportedBy, makeCheckout, root, type Ended } from './command-process.ts';

const commands = createCommands();
const { folder, launch } = commands;
const tiny = ['--troops', '2', '--warriors', '2', '--groups', '2', '--hostile'];
let exported: Record<string, string> = {};
let copies = '';

beforeAll(async () => {
  const local = launch('cli/local', ['--port', '0', '--time-scale', '900', ...tiny]);
  await local.until('Functions:');
  exported = exportedBy(local.stdout());
  copies = folder();
  for (const run of ['r1', 'r2']) await publish(run);
}, 120_000);
afterAll(() => commands.close());

const withEngine = (command: string, args: readonly string[]): Promise<Ended> =>
  launch(command, args, { env: exported }).ended;
const query = (...args: string[]): Promise<Ended> => withEngine('cli/query', [...args, '--copies', copies]);
const download = (...args: string[]): Promise<Ended> => withEngine('cli/download', args);

async function publish(run: string): Promise<void> {
  const { AWS_ACCESS_KEY_ID: accessKeyId = '', AWS_SECRET_ACCESS_KEY: secretAccessKey = '' } = exported;
  const s3 = new S3Client({
    endpoint: exported['AWS_ENDPOINT_URL'] ?? '',
    region: 'us-east-1',
    credentials: { accessKeyId, secretAccessKey },
  });
  await s3.send(new PutObjectCommand({ Bucket: exported['BUCKET'], Key: `seeds/${run}.json`, Body: '{}' }));
  s3.destroy();
  await withEngine('cli/status', ['--run', run, '--watch']);
  while (!(await withEngine('cli/status', ['--run', run, '--json'])).stdout.includes('"state":"published"'));
}

const byteOrderMark = '\uFEFF';

function filesUnder(dir: string): string[] {
  const entries = readdirSync(dir, { recursive: true, withFileTypes: true });
  return entries
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name).slice(dir.length + 1))
    .sort();
}

async function rowsIn(files: string): Promise<unknown[][]> {
  const instance = await DuckDBInstance.create(':memory:', { threads: '1' });
  const connection = await instance.connect();
  try {
    const sql = `select troop, warrior, "group", raw from read_parquet('${files}') order by all`;
    return (await connection.runAndReadAll(sql)).getRows();
  } finally {
    connection.closeSync();
    instance.closeSync();
  }
}

/** The lines of the results, as `rowsIn` has the rows. */
function linesIn(dir: string): unknown[][] {
  const lines = filesUnder(dir)
    .filter((file) => file.endsWith('.ndjson'))
    .flatMap((file) => readFileSync(join(dir, file), 'utf8').trimEnd().split('\n'));
  return lines.map((line) => {
    const { troop, warrior, group } = JSON.parse(line) as Record<string, string>;
    return [troop, warrior, group, line.slice(line.indexOf('"data":') + '"data":'.length, -1)];
  });
}

const byText = (a: unknown[], b: unknown[]): number => (JSON.stringify(a) < JSON.stringify(b) ? -1 : 1);

describe('npm run query', () => {
  test('answers for people, about the newest run that is published', async () => {
    const { status, stdout, stderr } = await query('select run, count(*) as results from data group by run');
    expect([status, stderr]).toEqual([0, '']);
    expect(stdout).toBe('run  results\nr2         8\n');
  });

  test('answers about a run by its name, and about all of them', async () => {
    const sql = 'select run, count(*)::int as results from data group by run order by run';
    expect((await query(sql, '--run', 'r1', '--json')).stdout).toBe('{"run":"r1","results":8}\n');
    expect((await query('--all', sql, '--json')).stdout).toBe('{"run":"r1","results":8}\n{"run":"r2","results":8}\n');
  });

  test('--json keeps the digits of whole numbers, and null', async () => {
    const sql = `select 9007199254740993 as big, null as nothing, 'a"b' as "a ""name""", 'nan'::double as odd`;
    const { stdout } = await query(sql, '--json');
    expect(stdout).toBe('{"big":9007199254740993,"nothing":null,"a \\"name\\"":"a\\"b","odd":"NaN"}\n');
  });

  test('--csv is what Excel reads: a mark, quotes, line breaks in cells', async () => {
    const sql = `select 'a,b' as x, 'say "hi"' as y, 'two\nlines' as z, null as n, '' as e, 数 from (select '🏹' as 数)`;
    expect((await query(sql, '--csv')).stdout).toBe(
      `${byteOrderMark}x,y,z,n,e,数\r\n"a,b","say ""hi""","two\nlines",,"",🏹\r\n`,
    );
  });

  test('copies each file once, and reads the copy from then on', async () => {
    const before = filesUnder(copies);
    const fresh = folder();
    const args = ['select count(*)::int as n from data', '--json', '--run', 'r1', '--copies', fresh];
    expect((await withEngine('cli/query', args)).stdout).toBe('{"n":8}\n');
    const [file = ''] = filesUnder(fresh);
    expect(file).toMatch(/^data\/run=r1\/part-00000\.[0-9a-f]{32}\.parquet$/);
    // With another file in its place, that one is read: the part is not copied a second time.
    rmSync(join(fresh, file));
    const other = filesUnder(copies).find((path) => path.includes('run=r2')) ?? '';
    writeFileSync(join(fresh, file), readFileSync(join(copies, other)));
    const raw = await withEngine('cli/query', ['select min(fetched_at)::varchar as at from data', ...args.slice(1)]);
    const there = await query('select min(fetched_at)::varchar as at from data', '--json', '--run', 'r2');
    expect(raw.stdout).toBe(there.stdout);
    expect(filesUnder(copies)).toEqual(before);
  });

  test('--athena prints a create table with partition projection, in the columns of the newest run', async () => {
    const { status, stdout } = await query('--athena');
    expect(status).toBe(0);
    expect(stdout).toBe(`create external table \`data\` (
  \`troop\` string,
  \`warrior\` string,
  \`group\` string,
  \`fetched_at\` timestamp,
  \`group_2\` string,
  \`unit\` string,
  \`points\` string,
  \`raw\` string
)
partitioned by (\`run\` string)
stored as parquet
location 's3://s3-cascade-dev-000000000000/tables/data/'
tblproperties (
  'projection.enabled' = 'true',
  'projection.run.type' = 'injected',
  'storage.location.template' = 's3://s3-cascade-dev-000000000000/tables/data/run=\${run}/'
);
`);
  });

  test.each<[string, string[], string]>([
    ['no question', [], 'What is the question?'],
    ['wrong SQL, in DuckDB’s words', ['selct 1'], 'Parser Error: syntax error at or near "selct"'],
    ['a column that is not there', ['select nope from data'], 'Referenced column "nope" not found'],
    ['a run that is not published', ['select 1', '--run', 'r9'], 'The run r9 is not published in s3-cascade-dev-'],
    ['a bad name of a run', ['select 1', '--run', 'a/b'], '--run must be'],
    ['two forms at once', ['select 1', '--csv', '--json'], '--csv or --json, not both.'],
    ['one run and all', ['select 1', '--all', '--run', 'r1'], '--all or --run NAME, not both.'],
    ['an unknown option', ['select 1', '--jsn'], 'Unknown option --jsn'],
    ['a stage that is not deployed', ['select 1', '--stage', 'nope'], 'There is no function s3-cascade-nope-status'],
  ])('refuses %s, with 3', async (_, args, message) => {
    const { status, stdout, stderr } = await query(...args);
    expect([status, stdout]).toEqual([3, '']);
    expect(stderr).toContain(message);
    expect(stderr).not.toContain('    at ');
  });

  test('says what to do where DuckDB is not installed; --athena does not need it', async () => {
    const dir = makeCheckout(folder());
    const modules = join(dir, 'node_modules');
    rmSync(modules);
    mkdirSync(modules);
    for (const name of readdirSync(join(root, 'node_modules')))
      if (name !== '@duckdb') symlinkSync(join(root, 'node_modules', name), join(modules, name));
    const asked = await launch('cli/query', ['select 1'], { dir, env: exported }).ended;
    expect([asked.status, asked.stdout]).toEqual([3, '']);
    expect(asked.stderr).toMatch(
      /^DuckDB is not installed \(ERR_MODULE_NOT_FOUND\): npm install --include=optional, or /,
    );
    const printed = await launch('cli/query', ['--athena'], { dir, env: exported }).ended;
    expect([printed.status, printed.stdout]).toEqual([0, expect.stringMatching(/^create external table `data`/)]);
  });
});

describe('npm run download', () => {
  test('copies tables and results as files in their folders: the rows of one are the lines of the other', async () => {
    const out = join(folder(), 'made', 'by it');
    const { status, stdout, stderr } = await download('--run', 'r1', '--out', out);
    expect([status, stderr]).toEqual([0, '']);
    expect(stdout).toMatch(/^8 files, [\d.]+ kB, in /);
    expect(stdout).toContain(`  duckdb -c "from '${out}/tables/data/run=r1/*.parquet'"\n`);
    const files = filesUnder(out);
    expect(files.filter((file) => file.startsWith('tables/'))).toEqual([
      'tables/data/run=r1/_SUCCESS',
      'tables/data/run=r1/_manifest.json',
      'tables/data/run=r1/part-00000.parquet',
    ]);
    expect(files).toContain('data/r1/_SUCCESS');
    const rows = await rowsIn(join(out, 'tables/data/run=r1/*.parquet'));
    expect(rows).toHaveLength(8);
    expect(rows.sort(byText)).toEqual(linesIn(join(out, 'data')).sort(byText));
    const manifest = JSON.parse(readFileSync(join(out, 'tables/data/run=r1/_SUCCESS'), 'utf8')) as Manifest;
    expect(manifest).toMatchObject({ table: 'data', run: 'r1', rows: 8, parts: [{ rows: 8 }] });
  });

  test('--tables-only leaves the results out, and --json is one object', async () => {
    const out = folder();
    const { status, stdout } = await download('--run', 'r2', '--out', out, '--tables-only', '--json');
    expect(status).toBe(0);
    expect(JSON.parse(stdout)).toMatchObject({ run: 'r2', outDir: out, files: 3, tables: ['data'], unpublished: [] });
    expect(filesUnder(out).filter((file) => !file.startsWith('tables/'))).toEqual([]);
  });

  test.each<[string, string[], string]>([
    ['no run', ['--out', 'x'], '--run NAME is needed'],
    ['no folder', ['--run', 'r1'], '--out DIR is needed'],
    ['a run that is not there', ['--run', 'r9', '--out', '$DIR'], 'The run r9 has no results and no tables in'],
    [
      'a folder that can not be',
      ['--run', 'r1', '--out', '/dev/null'],
      '--out /dev/null can not be made or written to',
    ],
  ])('refuses %s, with 3', async (_, args, message) => {
    const given = args.map((arg) => (arg === '$DIR' ? folder() : arg));
    const { status, stdout, stderr } = await download(...given);
    expect([status, stdout]).toEqual([3, '']);
    expect(stderr).toContain(message);
    expect(stderr.trim().split('\n')).toHaveLength(1);
  });

  test('says when nothing answers', async () => {
    const env = { ...exported, AWS_ENDPOINT_URL: 'http://127.0.0.1:1' };
    const { status, stderr } = await launch('cli/download', ['--run', 'r1', '--out', folder()], { env }).ended;
    expect(status).toBe(3);
    expect(stderr).toContain('nothing answers there (ECONNREFUSED)');
  });
});

describe('npm start', () => {
  const start = (...args: string[]): Promise<Ended> => launch('cli/start', [...tiny, '--run', 's1', ...args]).ended;

  test('publishes the run, tells of its tables, and --out copies all of it', async () => {
    const out = join(folder(), 'results');
    const { status, stdout, stderr } = await start('--out', out);
    expect([status, stderr]).toEqual([0, '']);
    expect(stdout).toMatch(/\ntable +rows +columns +files +size\ntables\/data\/ +8 +8 +1 +[\d.]+ kB\n/);
    expect(stdout).toContain(`  duckdb -c "from '${out}/tables/data/run=s1/*.parquet'"\n`);
    const rows = await rowsIn(join(out, 'tables/data/run=s1/*.parquet'));
    expect(rows.sort(byText)).toEqual(linesIn(join(out, 'data')).sort(byText));
  });

  test('--json has the tables', async () => {
    const { stdout } = await start('--json');
    const table = { table: 'data', rows: 8, columns: 8, files: 1 };
    expect(JSON.parse(stdout)).toMatchObject({ complete: true, tables: [table] });
  });

  test('refuses a folder that can not be before it fetches anything', async () => {
    const { status, stdout, stderr } = await start('--out', '/dev/null');
    expect([status, stdout]).toEqual([2, '']);
    expect(stderr).toBe('--out /dev/null can not be made or written to: EEXIST.\n');
  });
});
