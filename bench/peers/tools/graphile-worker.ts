/**
 * graphile-worker as its documentation has it: a task in a pool of so many, jobs added in bulk by the job that found them,
 * retries as they come (25, exponential), the task's name as the job key.
 */
import { Logger, makeWorkerUtils, run } from 'graphile-worker';
import { seedTask, taskName, type Task } from '../job.ts';
import { serveTool } from '../worker.ts';

const logger = new Logger(() => (level, message) => {
  if (level === 'error') process.stderr.write(`${message}\n`);
});

await serveTool(async ({ settings, perform, expanded, gaveUp }) => {
  const connectionString = settings.server ?? '';
  const utils = await makeWorkerUtils({ connectionString, logger });
  await utils.migrate();
  const specOf = (task: Task) => ({ identifier: 'item', payload: task, jobKey: taskName(task) });
  return async (how) => {
    const runner = await run({
      connectionString,
      logger,
      concurrency: settings.concurrency,
      // A connection for each task at once, and some for the pool itself.
      maxPoolSize: settings.concurrency + 4,
      noHandleSignals: true,
      taskList: {
        async item(payload, helpers) {
          const next = await perform(payload as Task);
          await helpers.addJobs(next.map(specOf));
          expanded(next.length);
        },
      },
    });
    runner.events.on('job:failed', ({ error }) => gaveUp(error));
    if (how === 'seed') await utils.addJobs([specOf(seedTask)]);
  };
});
