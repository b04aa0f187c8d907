/** The small parts of the engine: events, their faults, the folder's lock, unpacking. */
import { afterEach, describe, expect, test } from '@jest/globals';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { zipSync, strToU8 } from 'fflate';
import fc from 'fast-check';
import { lockFolder } from '../folder-lock.ts';
import { notificationLine } from '../notification-faults.ts';
import type { NotificationRule } from '../package/model.ts';
import { unzipTo } from '../package/unzip.ts';
import { encodeEventKey, matchingRules, s3EventBody } from '../s3-events.ts';
import type { ObjectCreated } from '../s3/store.ts';

const closing: (() => void)[] = [];
afterEach(() => {
  for (const close of closing.splice(0).reverse()) close();
});
function folder(): string {
  const made = mkdtempSync(join(tmpdir(), 'local-aws-parts-'));
  closing.push(() => rmSync(made, { recursive: true, force: true }));
  return made;
}

const created: ObjectCreated = {
  bucket: 'bucket',
  key: 'orders/r/a b+c%ü.json',
  sizeBytes: 2,
  eTag: '99914b932bd37a50b983c5e7c90ae93b',
  eventName: 'ObjectCreated:Put',
  eventTimeMs: Date.UTC(2026, 10, 20),
  headers: {},
  sequencer: '0000000000000001',
};
const rule = (prefix: string, suffix: string, event = 's3:ObjectCreated:*'): NotificationRule => ({
  id: 'function-1',
  event,
  prefix,
  suffix,
  target: { kind: 'function', arn: 'arn' },
});

describe('an S3 event', () => {
  test('has the documented shape, its key encoded as a form does', () => {
    const { Records: records } = JSON.parse(s3EventBody(created, rule('', ''), 'us-east-1', '000000000000')) as {
      Records: unknown[];
    };
    expect(records).toMatchObject([
      {
        eventVersion: '2.1',
        eventSource: 'aws:s3',
        awsRegion: 'us-east-1',
        eventTime: '2026-11-20T00:00:00.000Z',
        eventName: 'ObjectCreated:Put',
        s3: {
          s3SchemaVersion: '1.0',
          configurationId: 'function-1',
          bucket: { name: 'bucket', arn: 'arn:aws:s3:::bucket' },
          object: {
            key: 'orders/r/a+b%2Bc%25%C3%BC.json',
            size: 2,
            eTag: '99914b932bd37a50b983c5e7c90ae93b',
            sequencer: '0000000000000001',
          },
        },
      },
    ]);
  });

  test('gives every key back to a reader that decodes it, and holds no byte that a form escapes', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'grapheme' }), (key) => {
        const encoded = encodeEventKey(key);
        expect(decodeURIComponent(encoded.replaceAll('+', ' '))).toBe(key);
        expect(encoded).toMatch(/^[A-Za-z0-9._*+%/-]*$/);
      }),
    );
  });

  test('goes to the rules whose event, prefix and suffix the raw key has', () => {
    const rules = [
      rule('orders/', '.json'),
      rule('orders/', '.json', 's3:ObjectCreated:Copy'),
      rule('orders/r/a b', '', 's3:ObjectCreated:Put'),
      rule('orders/r/a+b', ''),
      rule('seeds/', '.json'),
    ];
    expect(matchingRules(rules, created)).toEqual([rules[0], rules[2]]);
  });
});

describe('S3’s notifications', () => {
  test('are delivered at once and in order when nothing is asked for', () => {
    const line = notificationLine(undefined);
    const delivered: string[] = [];
    for (const key of ['a', 'b']) line.send(key, () => delivered.push(key));
    expect(delivered).toEqual(['a', 'b']);
  });

  test('come twice, in another order, or not at all, the same way for the same number', async () => {
    const keys = Array.from({ length: 200 }, (_, at) => `k${at}`);
    const deliver = async (): Promise<string[]> => {
      const line = notificationLine({ copies: 2, shuffleSeed: 7, drop: (key) => key === 'k3' });
      const delivered: string[] = [];
      for (const key of keys) line.send(key, () => delivered.push(key));
      expect(delivered).toEqual([]);
      await line.drained();
      expect(line.held).toBe(0);
      return delivered;
    };
    const first = await deliver();
    expect(first).toHaveLength(398);
    expect(first).not.toContain('k3');
    expect(new Set(first).size).toBe(199);
    expect(first.slice(0, 20)).not.toEqual([...keys.slice(0, 10), ...keys.slice(0, 10)]);
    expect(await deliver()).toEqual(first);
  });
});

describe('a data folder', () => {
  test('is one engine’s at a time, and says whose', () => {
    const dir = join(folder(), 'new');
    const lock = lockFolder(dir);
    expect(() => lockFolder(dir)).toThrow(
      `The folder ${dir} is in use by another engine (process ${process.pid}); end that, or choose another folder.`,
    );
    lock.release();
    lockFolder(dir).release();
  });

  test('of a process that was killed is free again', async () => {
    const dir = folder();
    const script = `import { lockFolder } from ${JSON.stringify(join(import.meta.dirname, '../../local-aws/folder-lock.ts'))};
      lockFolder(${JSON.stringify(dir)}); process.stdout.write('locked'); setInterval(() => {}, 1000);`;
    const child = spawn(process.execPath, ['--input-type=module', '-e', script], {
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    closing.push(() => child.kill('SIGKILL'));
    await once(child.stdout, 'data');
    expect(() => lockFolder(dir)).toThrow(`process ${child.pid ?? 0}`);
    child.kill('SIGKILL');
    await once(child, 'exit');
    lockFolder(dir).release();
  });

  test('that can not be made is one line', () => {
    const file = join(folder(), 'file');
    writeFileSync(file, '');
    expect(() => lockFolder(join(file, 'x'))).toThrow(`The folder ${join(file, 'x')} can not be made or written to (`);
  });
});

describe('an artifact', () => {
  test('is unpacked with its folders', async () => {
    const dir = folder();
    await unzipTo(zipSync({ functions: { 'fetch.mjs': strToU8('export {}') } }), dir, 'a.zip');
    expect(readFileSync(join(dir, 'functions', 'fetch.mjs'), 'utf8')).toBe('export {}');
  });

  test.each(['../outside.txt', 'a/../../outside.txt', '/etc/outside.txt'])(
    'with the entry %s is refused',
    async (path) => {
      const dir = join(folder(), 'inside');
      await expect(unzipTo(zipSync({ [path]: strToU8('x') }), dir, 'a.zip')).rejects.toThrow('outside of its folder');
      expect(existsSync(join(dir, '..', 'outside.txt'))).toBe(false);
    },
  );

  test('that is no zip is refused', async () => {
    await expect(unzipTo(strToU8('hello'), folder(), 'a.zip')).rejects.toThrow('a.zip is not a readable zip file');
  });
});
