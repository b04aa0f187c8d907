/**
 * BullMQ as its guide has it: one queue, a job a task, added in bulk by the job that found them, three attempts with
 * exponential backoff, and the task's name as the job's id, so that a job that is added twice runs once. Finished jobs are
 * kept, which is the default, since a job's id is only known as long as the job is.
 */
import { Queue, UnrecoverableError, Worker, type BulkJobOptions } from 'bullmq';
import { seedTask, taskName, type Task } from '../job.ts';
import { serveTool } from '../worker.ts';

await serveTool(async ({ settings, perform, expanded, gaveUp }) => {
  const connection = { host: '127.0.0.1', port: Number(settings.server), maxRetriesPerRequest: null };
  const queue = new Queue<Task>('crawl', {
    connection,
    defaultJobOptions: { attempts: 3, backoff: { type: 'exponential', delay: 1000 } },
  });
  await queue.waitUntilReady();
  const jobOf = (task: Task) => ({
    name: 'item',
    data: task,
    opts: { jobId: taskName(task) } satisfies BulkJobOptions,
  });
  const worker = new Worker<Task>(
    'crawl',
    async ({ data }) => {
      const next = await perform(data);
      await queue.addBulk(next.map(jobOf));
      expanded(next.length);
    },
    { connection, concurrency: settings.concurrency, autorun: false },
  );
  worker.on('failed', (job, error) => {
    if (job === undefined || job.attemptsMade >= (job.opts.attempts ?? 1) || error instanceof UnrecoverableError) {
      gaveUp(error);
    }
  });
  worker.on('error', (error) => process.stderr.write(`${String(error)}\n`));
  await worker.waitUntilReady();
  return async (how) => {
    worker.run().catch(gaveUp);
    if (how === 'seed') await queue.addBulk([jobOf(seedTask)]);
  };
});
