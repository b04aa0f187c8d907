import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { forEachConcurrently, mapConcurrently, waitForAll } from '../../../shared/engine/concurrency.ts';

/** Lets all pending work advance. */
const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));
async function turns(count: number): Promise<void> {
  for (let done = 0; done < count; done += 1) await turn();
}
const numbers = (count: number): number[] => Array.from({ length: count }, (_, i) => i);

describe('work side by side', () => {
  test('is done for each, a bounded number at a time, and gives what it gives', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.nat(5), { maxLength: 30 }),
        fc.integer({ min: 1, max: 8 }),
        async (lengths, limit) => {
          let running = 0;
          let most = 0;
          const work = async (length: number): Promise<number> => {
            running += 1;
            most = Math.max(most, running);
            await turns(length);
            running -= 1;
            return length;
          };
          const results = await Array.fromAsync(mapConcurrently(lengths, limit, work));
          expect(results.sort()).toEqual([...lengths].sort());
          expect(most).toBeLessThanOrEqual(limit);
        },
      ),
      { numRuns: 50 },
    );
  });

  test('uses all the places that it has', async () => {
    let running = 0;
    let most = 0;
    await forEachConcurrently(numbers(20), 4, async () => {
      most = Math.max(most, (running += 1));
      await turns(3);
      running -= 1;
    });
    expect(most).toBe(4);
  });

  test('reads its source no faster than it works', async () => {
    let read = 0;
    let done = 0;
    async function* source(): AsyncGenerator<number> {
      for (;;) {
        read += 1;
        expect(read - done).toBeLessThanOrEqual(4);
        yield await Promise.resolve(read);
        if (read === 50) return;
      }
    }
    await forEachConcurrently(source(), 3, async () => {
      await turns(2);
      done += 1;
    });
    expect(done).toBe(50);
  });

  test('ends with its first failure, when what was under way has ended; nothing new is begun', async () => {
    let running = 0;
    let begun = 0;
    const work = async (number: number): Promise<void> => {
      begun += 1;
      running += 1;
      await turns(number === 2 ? 1 : 10);
      running -= 1;
      if (number >= 2) throw new Error(`the failure of ${number}`);
    };
    await expect(forEachConcurrently(numbers(100), 4, work)).rejects.toThrow('the failure of 2');
    expect(running).toBe(0);
    expect(begun).toBe(4);
  });

  test('begins nothing for what the source gives after a failure', async () => {
    const begun: number[] = [];
    async function* slow(): AsyncGenerator<number> {
      yield 1;
      await turns(5);
      yield 2;
    }
    const work = async (number: number): Promise<void> => {
      begun.push(number);
      await Promise.reject(new Error('no'));
    };
    await expect(forEachConcurrently(slow(), 4, work)).rejects.toThrow('no');
    expect(begun).toEqual([1]);
  });

  test('ends with the failure of its source, when what was under way has ended', async () => {
    let running = 0;
    async function* breaking(): AsyncGenerator<number> {
      yield 1;
      yield await Promise.resolve(2);
      throw new Error('the listing broke off');
    }
    const work = async (): Promise<void> => {
      running += 1;
      await turns(10);
      running -= 1;
    };
    await expect(forEachConcurrently(breaking(), 4, work)).rejects.toThrow('the listing broke off');
    expect(running).toBe(0);
  });

  test('ends its source and what is under way when the caller has had enough', async () => {
    let running = 0;
    let isClosed = false;
    async function* endless(): AsyncGenerator<number> {
      try {
        for (let number = 0; ; number += 1) yield await Promise.resolve(number);
      } finally {
        isClosed = true;
      }
    }
    const work = async (number: number): Promise<number> => {
      running += 1;
      await turns(number % 3);
      running -= 1;
      return number;
    };
    for await (const result of mapConcurrently(endless(), 4, work)) if (result > 10) break;
    expect(running).toBe(0);
    expect(isClosed).toBe(true);
  });
});

test('waiting for all throws the first failure after all have ended', async () => {
  let ended = 0;
  const end = async (count: number, error?: Error): Promise<number> => {
    await turns(count);
    ended += 1;
    if (error !== undefined) throw error;
    return count;
  };
  await expect(waitForAll([end(9), end(5, new Error('first')), end(1, new Error('second'))])).rejects.toThrow('first');
  expect(ended).toBe(3);
  expect(await waitForAll([end(2), end(1)])).toEqual([2, 1]);
});
