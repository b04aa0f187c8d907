/**
 * From nothing to a complete run of another API, as a person does it: new-source, try, start, local. In a checkout of its own,
 * against an API on 127.0.0.1 that asks for a token and gives it back in its answers.
 */
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { existsSync, readFileSync, readdirSync, writeFileSync } from 'node:fs';
import { createServer, type IncomingMessage } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { once } from 'node:events';
import { PutObjectCommand, S3Client } from '@aws-sdk/client-s3';
import { createCommands, exportedBy, makeCheckout, type Ended } from './command-process.ts';

const commands = createCommands();
const token = 'sekret-of-the-api/1';
const asked: string[] = [];
let dir = '';
let url = '';
beforeAll(async () => {
  dir = makeCheckout(commands.folder());
  const server = createServer((request, response) => {
    asked.push(request.url ?? '');
    const { status, body } = answer(request);
    response.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(body));
  }).listen(0, '127.0.0.1');
  await once(server, 'listening');
  commands.closing.push(() => void server.close());
  url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
});
afterAll(() => commands.close());

/** Two pages of users, and each one's events. */
function answer({ url: target, headers: { authorization = '' } }: IncomingMessage): { status: number; body: object } {
  const { pathname, searchParams } = new URL(target ?? '/', 'http://api');
  if (authorization !== `Bearer ${token}`) return { status: 401, body: { refused: authorization } };
  if (pathname === '/users') {
    const isFirst = searchParams.get('cursor') === null;
    const rows = isFirst ? [{ uid: 'a' }, { uid: 'b', echo: token }] : [{ uid: 'c' }];
    return { status: 200, body: { result: { rows }, page: { next_cursor: isFirst ? 'p2' : null } } };
  }
  if (/^\/users\/[abc]\/events$/.test(pathname)) return { status: 200, body: { of: pathname } };
  return { status: 404, body: {} };
}

const run = (command: string, args: string[], env: Record<string, string> = {}): Promise<Ended> =>
  commands.launch(command, args, { dir, env }).ended;
const ofShop = (...args: string[]): string[] => ['--source', 'shop', '--url', url, ...args];
const tryShop = (...args: string[]): Promise<Ended> => run('cli/try', ofShop(...args), { API_TOKEN: token });

function change(from: string, to: string): void {
  const file = join(dir, 'sources/shop/chain.ts');
  const before = readFileSync(file, 'utf8');
  expect(before).toContain(from);
  writeFileSync(file, before.replace(from, to));
}

// In the order in which a person does it: each continues where the one before it ended.
describe('a new source', () => {
  test('is written as a chain that can be loaded, and a README', async () => {
    const { status, stdout, stderr } = await run('cli/new-source', ['shop']);
    expect([status, stderr]).toEqual([0, '']);
    expect(stdout).toContain('npm run try -- --source shop --url URL');
    expect(readdirSync(join(dir, 'sources/shop')).sort()).toEqual(['README.md', 'chain.ts']);
    expect((await run('cli/try', ['--source', 'shop', '--help'])).stdout).toContain('The source shop has no fake');
  });

  test.each([
    [['shop'], 'sources/shop exists already.'],
    [['../x'], 'A source\'s name is 1 to 32 of a-z 0-9 - _ and begins with a letter, not "../x".'],
    [['Shop'], "A source's name is"],
    [[], 'Give one name'],
    [['a', 'b'], 'Give one name'],
  ])('is refused in one line for %j', async (args, message) => {
    const { status, stdout, stderr } = await run('cli/new-source', args);
    expect([status, stdout]).toEqual([2, '']);
    expect(stderr).toContain(message);
    expect(stderr.trim().split('\n')).toHaveLength(1);
    expect(existsSync(join(dir, 'x'))).toBe(false);
  });
});

describe('npm run try', () => {
  test('names the list that is there when there is none at the declared path, with the answer, without the token', async () => {
    const { status, stdout } = await tryShop();
    expect(status).toBe(1);
    expect(stdout).toContain("?? items: 'data' → nothing\n   there is instead: result.rows (a list of 2)");
    expect(stdout).toContain('The answer begins:\n  {"result":{"rows":[{"uid":"a"}');
    expect(stdout).not.toContain(token);
  });

  test('then the id that is there, then the next page', async () => {
    change("items: 'data'", "items: 'result.rows'");
    expect((await tryShop()).stdout).toContain('?? idPath: \'id\' → nothing\n   there is instead: uid ("a")');
    change("idPath: 'id'", "idPath: 'uid'");
    const { status, stdout } = await tryShop();
    expect(status).toBe(1);
    expect(stdout).toContain('?? next: \'next_cursor\' → nothing\n   there is instead: page.next_cursor ("p2")');
  });

  test('says what was understood, and the call of the level below, with one call to the API', async () => {
    change("cursor('next_cursor'", "cursor('page.next_cursor'");
    asked.length = 0;
    const { status, stdout } = await tryShop();
    expect(status).toBe(0);
    expect(stdout).toContain(
      '2 items under users/ on the first page:\n  a  {"uid":"a"}\n  b  {"uid":"b","echo":"***"}\n',
    );
    expect(stdout).toContain('Next page: ?cursor=p2\n');
    expect(stdout).toContain(`npm run try -- --source shop --url ${url} --level events --id user=a\n`);
    expect(asked).toEqual(['/users']);
  });

  test('--json prints one object', async () => {
    const { status, stdout } = await tryShop('--level', 'events', '--id', 'user=a', '--json');
    expect(status).toBe(0);
    expect(JSON.parse(stdout)).toMatchObject({
      level: 'events',
      kind: 'result',
      calls: [{ call: `GET ${url}/users/a/events`, status: 200 }],
      result: { contentType: 'application/json' },
    });
  });

  test('says what a refusal says, and which secret it was', async () => {
    const refused = await run('cli/try', ofShop(), { API_TOKEN: 'wrong-but-secret' });
    expect(refused.status).toBe(1);
    expect(refused.stdout).toContain('NOT understood: HTTP_401');
    expect(refused.stdout).toContain('environment variable API_TOKEN');
    expect(refused.stdout).not.toContain('wrong-but-secret');
  });

  test('refuses what it can not do in one line, with 2', async () => {
    const mistakes: [string[], string][] = [
      [ofShop('--level', 'evens'), 'There is no level "evens". The levels are users, events.'],
      [ofShop('--level', 'events'), 'The level events needs --id user=ID.'],
      [ofShop('--id', 'user=a'), 'it needs no ids'],
      [ofShop('--param', 'a=1'), 'There is no parameter "a". The chain has none.'],
      [['--source', 'shop'], 'The source shop has no fake of its API. Give --url URL.'],
      [['--source', 'nope'], 'There is no source "nope"'],
      [['--source', 'shop', '--url', 'http://user:pw@host'], '--url must be'],
    ];
    for (const [args, message] of mistakes) {
      const { status, stdout, stderr } = await run('cli/try', args, { API_TOKEN: token });
      expect([status, stdout]).toEqual([2, '']);
      expect(stderr).toContain(message);
      expect(stderr).not.toContain('pw@');
      expect(stderr.trim().split('\n')).toHaveLength(1);
    }
    const without = await run('cli/try', ofShop());
    expect(without.stderr).toContain(
      'asks for a secret (auth: bearer). Put it into the environment variable API_TOKEN.',
    );
  });
});

describe('npm start with an address', () => {
  test('fetches the whole tree, says what it would have cost, and keeps the token out of the folder', async () => {
    const dataDir = join(commands.folder(), 'data');
    asked.length = 0;
    const first = await run('cli/start', ofShop('--run', 'r1', '--data-dir', dataDir), { API_TOKEN: token });
    expect(first.stderr).toBe('');
    expect(first.stdout).toMatch(/^Run r1 is complete: 3 results in /);
    expect(first.stdout).toContain('On AWS this would have cost about $');
    expect(first.stdout).toMatch(/^API calls +5 /m);
    expect(asked).toHaveLength(5);
    for (const name of readdirSync(join(dataDir, 'logs')))
      expect(readFileSync(join(dataDir, 'logs', name), 'utf8')).not.toContain(token);
    expect(readFileSync(join(dataDir, 'run.json'), 'utf8')).not.toContain(token);

    // The folder knows its source and its address.
    const again = await run('cli/start', ['--data-dir', dataDir, '--json'], { API_TOKEN: token });
    expect(JSON.parse(again.stdout)).toMatchObject({ run: 'r1', complete: true, apiCalls: 0 });
    const other = await run('cli/start', ['--data-dir', dataDir, '--only', 'user=a'], { API_TOKEN: token });
    expect([other.status, other.stderr]).toEqual([2, expect.stringContaining('holds a run with another seed')]);
  });

  test('--only fetches those ids alone', async () => {
    const { stdout } = await run('cli/start', ofShop('--only', 'user=a,c', '--json'), { API_TOKEN: token });
    const { complete, levels } = JSON.parse(stdout) as { complete: boolean; levels: { done: number }[] };
    expect([complete, levels.map(({ done }) => done)]).toEqual([true, [1, 2]]);
  });

  test('refuses an unknown id or parameter, naming those that the chain has', async () => {
    for (const [args, message] of [
      [['--only', 'shop=1'], 'There is no id "shop". The chain has user.'],
      [['--param', 'from=1'], 'There is no parameter "from". The chain has none.'],
      [['--only', 'user'], '--only must be NAME=VALUE'],
    ] as const) {
      const { status, stderr } = await run('cli/start', ofShop(...args), { API_TOKEN: token });
      expect([status, stderr]).toEqual([2, expect.stringContaining(message)]);
    }
  });
});

describe('npm run local with an address', () => {
  test('shows why a function fails, on stderr, without the token', async () => {
    const args = ofShop('--port', '0', '--time-scale', '100000');
    const local = commands.launch('cli/local', args, { dir, env: { API_TOKEN: 'wrong-but-secret' } });
    await local.until('Their warnings');
    const exported = exportedBy(local.stdout());
    const { AWS_ACCESS_KEY_ID: accessKeyId = '', AWS_SECRET_ACCESS_KEY: secretAccessKey = '' } = exported;
    const s3 = new S3Client({
      endpoint: exported['AWS_ENDPOINT_URL'] ?? '',
      region: 'us-east-1',
      credentials: { accessKeyId, secretAccessKey },
    });
    commands.closing.push(() => s3.destroy());
    await s3.send(new PutObjectCommand({ Bucket: exported['BUCKET'], Key: 'seeds/r1.json', Body: '{}' }));
    while (!local.stderr().includes('HTTP_401')) await once(local.child.stderr ?? local.child, 'data');
    expect(local.stderr()).toMatch(/^fetchUsers: .*was answered with 401/m);
    expect(local.stderr()).not.toContain('wrong-but-secret');
    local.child.kill('SIGTERM');
    expect((await local.ended).status).toBe(0);
  });
});
