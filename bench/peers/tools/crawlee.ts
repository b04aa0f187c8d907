/**
 * Crawlee's BasicCrawler as its guide has it: one request an item, three retries, the requests that follow added by the
 * handler, its own memory storage with what that writes to disk by default. The autoscaled pool is held at so many at once.
 * After a kill it is told not to purge its storage, as its documentation says for going on; by default it would begin anew.
 */
import { BasicCrawler, Configuration, log, LogLevel } from '@crawlee/basic';
import { MemoryStorage } from '@crawlee/memory-storage';
import { join } from 'node:path';
import { seedTask, taskName, type Task } from '../job.ts';
import { serveTool } from '../worker.ts';

await serveTool(({ settings, perform, expanded, gaveUp }) => {
  log.setLevel(LogLevel.ERROR);
  const { concurrency, apiUrl } = settings;
  const requestOf = (task: Task) => ({
    url: `${apiUrl}/#${taskName(task)}`,
    uniqueKey: taskName(task),
    userData: task,
  });
  return Promise.resolve(async (how) => {
    const configuration = new Configuration({
      storageClient: new MemoryStorage({ localDataDirectory: join(settings.dir, 'storage') }),
      purgeOnStart: how === 'seed',
    });
    const crawler = new BasicCrawler(
      {
        minConcurrency: concurrency,
        maxConcurrency: concurrency,
        async requestHandler({ request, addRequests }) {
          const next = await perform(request.userData as Task);
          await addRequests(next.map(requestOf));
          expanded(next.length);
        },
        failedRequestHandler: (_context, error) => gaveUp(error),
      },
      configuration,
    );
    await crawler.run(how === 'seed' ? [requestOf(seedTask)] : []);
  });
});
