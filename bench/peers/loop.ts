/**
 * The denominators: what a careful person would write in an hour. One process, no queue, no retries: tasks that are known
 * wait in an array, depth first, and so many run at once. With an S3 it writes the objects there; without one it keeps them
 * in memory; with batches it writes the same files as s3-cascade. What it was doing when it is killed is forgotten, so it can
 * only start again.
 */
import type { Body } from '../../shared/engine/ports.ts';
import { createPerform, s3Writer, seedTask, type Task } from './job.ts';
import { digest, itemsIn } from './tree-check.ts';
import { onTold, readSettings, say } from './worker.ts';

const settings = readSettings();
const kept = new Map<string, string>();
const keep = (key: string, body: Body): Promise<void> => {
  kept.set(key, Buffer.from(body).toString());
  return Promise.resolve();
};
const perform = createPerform(settings, settings.s3Url === undefined ? keep : s3Writer(settings));
const waiting: Task[] = [seedTask];

function runAll(): Promise<void> {
  let running = 0;
  return new Promise((resolve, reject) => {
    const begin = (): void => {
      while (running < settings.concurrency && waiting.length > 0) {
        running += 1;
        perform(waiting.pop() ?? seedTask).then((next) => {
          waiting.push(...next);
          running -= 1;
          begin();
        }, reject);
      }
      if (running === 0 && waiting.length === 0) resolve();
    };
    begin();
  });
}

onTold(async () => {
  await runAll();
  say(
    settings.s3Url === undefined ? { type: 'done', inMemory: digest(itemsIn(kept, settings.batch)) } : { type: 'done' },
  );
});
