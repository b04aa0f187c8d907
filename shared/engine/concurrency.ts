/** Work that goes on side by side, a bounded number at a time. Nothing of it runs on behind the caller's answer or error. */

/**
 * @param source what there is to do; it is read no faster than the work is done
 * @returns what the work gives, as it comes, in no particular order
 * @throws the first failure of the source or the work, after what was under way has ended; nothing new is begun behind it
 */
export async function* mapConcurrently<T, R>(
  source: Iterable<T> | AsyncIterable<T>,
  limit: number,
  work: (item: T) => Promise<R>,
): AsyncGenerator<R, void, undefined> {
  const running = new Set<Promise<void>>();
  const done: R[] = [];
  let failure: { error: unknown } | undefined;
  const begin = (item: T): void => {
    const task: Promise<void> = work(item)
      .then(
        (result) => void done.push(result),
        (error: unknown) => void (failure ??= { error }),
      )
      .finally(() => running.delete(task));
    running.add(task);
  };
  try {
    for await (const item of source) {
      // The work may have failed while the source was waited for.
      throwIfFailed();
      begin(item);
      if (running.size >= limit) await Promise.race(running);
      throwIfFailed();
      yield* done.splice(0);
    }
    while (running.size > 0) {
      await Promise.race(running);
      throwIfFailed();
      yield* done.splice(0);
    }
    throwIfFailed();
    yield* done.splice(0);
  } finally {
    await Promise.all(running);
  }

  function throwIfFailed(): void {
    if (failure !== undefined) throw failure.error;
  }
}

/** @throws as `mapConcurrently` */
export async function forEachConcurrently<T>(
  source: Iterable<T> | AsyncIterable<T>,
  limit: number,
  work: (item: T) => Promise<void>,
): Promise<void> {
  const done = mapConcurrently(source, limit, work);
  while ((await done.next()).done !== true);
}

/** Waits for all, then throws the first failure. */
export async function waitForAll<T>(work: readonly Promise<T>[]): Promise<T[]> {
  const results = await Promise.allSettled(work);
  return results.map((result) => {
    if (result.status === 'rejected') throw result.reason;
    return result.value;
  });
}
