/** Reads objects ahead, bounded in number and bytes, and gives them in the order in which they were asked for. */
import { ItemError, TransientError } from '../errors.ts';
import type { Clock, ObjectStore, StoredObject } from '../ports.ts';
import type { PlannedObject } from './plan.ts';

/** Reads at the same time, and what they may hold in memory; one object may be larger. */
const readsAtOnce = 32;
const bytesAtOnce = 24_000_000;
/** A result is as large as `maxBodyBytes`, and a batch's part somewhat larger. */
const maxObjectBytes = 250_000_000;

export type Reading = { store: Pick<ObjectStore, 'get'>; clock: Clock; deadlineMs: number };

/**
 * @throws ItemError `RESULT_GONE` for an object that was deleted since it was listed; TransientError `OUT_OF_TIME`; what the store
 * throws, after what was under way has ended
 */
export async function* readInOrder(
  prefix: string,
  objects: readonly PlannedObject[],
  { store, clock, deadlineMs }: Reading,
): AsyncGenerator<{ key: string; object: StoredObject }, void, undefined> {
  const ahead: { key: string; sizeBytes: number; reading: Promise<StoredObject | undefined> }[] = [];
  let bytes = 0;
  let next = 0;
  const hasRoom = (): boolean => ahead.length === 0 || (ahead.length < readsAtOnce && bytes < bytesAtOnce);
  try {
    while (next < objects.length || ahead.length > 0) {
      for (; next < objects.length && hasRoom(); next += 1) {
        const [name, sizeBytes] = objects[next] ?? ['', 0];
        const key = `${prefix}${name}`;
        const reading = store.get(key, maxObjectBytes);
        // Waited for below; until then a failure is no unhandled one.
        reading.catch(() => undefined);
        ahead.push({ key, sizeBytes, reading });
        bytes += sizeBytes;
      }
      const first = ahead.shift();
      if (first === undefined) return;
      if (clock.now() >= deadlineMs)
        throw new TransientError('OUT_OF_TIME', `There was no time to read all results of ${prefix}.`);
      const object = await first.reading;
      bytes -= first.sizeBytes;
      if (object === undefined) {
        const message = `The object ${first.key} was deleted since the run was planned. Replay the level publish for the run.`;
        throw new ItemError('RESULT_GONE', message);
      }
      yield { key: first.key, object };
    }
  } finally {
    await Promise.allSettled(ahead.map(({ reading }) => reading));
  }
}
