/** A folder that can't be used, or no longer: one clear line, no stack trace, no hang. */
import { describe, expect, test } from '@jest/globals';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { lockFolder } from '../folder-lock.ts';
import { startLocalAws } from '../engine.ts';
import { cleanUp, folder, makePackage, send, start } from './queue-engine.ts';

describe('an engine whose folder', () => {
  test('can no longer be written says so once, answers 500, and ends', async () => {
    const { packageDir } = makePackage();
    // 2 MB a file: the limit of a process stands for a disk that is full.
    const script = `
      import { startLocalAws } from ${JSON.stringify(join(import.meta.dirname, '../index.ts'))};
      const engine = await startLocalAws(${JSON.stringify(packageDir)}, { dataDir: ${JSON.stringify(folder())} });
      let status = 200;
      for (let at = 0; status === 200; at += 1) {
        const body = 'x'.repeat(50_000);
        status = (await fetch(engine.endpoint + '/bucket/in/' + at, { method: 'PUT', body })).status;
      }
      const refused = await engine.idle().catch((error) => error);
      const { code } = await engine.failure;
      await engine.stop();
      console.log(JSON.stringify({ status, code, name: refused.name, isSame: refused === (await engine.failure) }));`;
    const limited = 'ulimit -f 4096; exec "$0" --disable-warning=ExperimentalWarning --input-type=module -e "$1"';
    const child = spawn('sh', ['-c', limited, process.execPath, script], { stdio: ['ignore', 'pipe', 'pipe'] });
    cleanUp(() => void child.kill('SIGKILL'));
    const [out, errors] = await Promise.all([text(child.stdout), text(child.stderr), once(child, 'exit')]);
    expect(errors).toBe('');
    const told = JSON.parse(out) as { code: string };
    expect(told).toMatchObject({ status: 500, name: 'FolderError', isSame: true });
    expect(['FULL', 'NOT_WRITABLE']).toContain(told.code);
  });

  test.each([
    [
      'is no database',
      () => 'not a database, but a text that is as long as the head of a file of SQLite would be.'.repeat(9),
    ],
    ['is damaged', (kept: Buffer) => Buffer.concat([kept.subarray(0, 100), Buffer.alloc(kept.length - 100, 'x')])],
  ])('holds a file that %s is refused in one line', async (_, damage) => {
    const { packageDir } = makePackage();
    const dataDir = folder();
    await (await start({ packageDir, dataDir })).stop();
    const file = join(dataDir, 'engine.sqlite');
    writeFileSync(file, damage(readFileSync(file)));
    await expect(startLocalAws(packageDir, { dataDir })).rejects.toMatchObject({
      name: 'FolderError',
      code: 'BROKEN',
      message: expect.stringMatching(
        /^The database \S+engine\.sqlite is damaged \(.+\); delete the folder, or choose another one\.$/,
      ),
    });
    // Nothing was left open or locked.
    lockFolder(dataDir).release();
  });

  test('was written by an earlier version is refused in one line', () => {
    const dataDir = folder();
    mkdirSync(join(dataDir, 'sqs'));
    writeFileSync(join(dataDir, 'sqs', 'fauxqs.db'), '');
    expect(() => lockFolder(dataDir)).toThrow(
      'was written by an earlier version of the engine; choose another folder.',
    );
  });

  test.each(['/proc/local-aws/data', '/dev/null/data'])('would be %s is refused at once', (dataDir) => {
    expect(() => lockFolder(dataDir)).toThrow(/^The folder \S+ can not be made or written to \(E[A-Z]+\)\.$/);
  });
});

describe('after the clock is set back by an hour', () => {
  const hourMs = 3_600_000;

  test('what was received before is received again in its time, also after a restart', async () => {
    const dataDir = folder();
    const { packageDir } = makePackage({ mapping: { Enabled: false } });
    const first = await start({ packageDir, dataDir });
    send(first, 'one', 'other');
    await first.stop();
    const { timeOrigin } = performance;
    Object.defineProperty(performance, 'timeOrigin', { value: timeOrigin - hourMs, configurable: true });
    try {
      const second = await start({ packageDir, dataDir });
      expect(second.sqs.depths()['work']).toEqual({ visible: 2, inFlight: 0, delayed: 0 });
    } finally {
      Object.defineProperty(performance, 'timeOrigin', { value: timeOrigin, configurable: true });
    }
  });

  test('a failed event is retried when its wait is over', async () => {
    const { packageDir } = makePackage();
    const engine = await start({ packageDir });
    engine.lambda.enqueue('work', '{"Records":[{"messageId":"1","body":"throw","attributes":{}}]}');
    const { now } = Date;
    Date.now = () => now() - hourMs;
    try {
      await engine.idle();
    } finally {
      Date.now = now;
    }
    expect(engine.lambda.stats()).toMatchObject({ invocations: 3, errors: 3 });
  });
});
