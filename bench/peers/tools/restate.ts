/**
 * Restate as its documentation has it: a service whose handler does one task as a durable step, and sends the tasks that
 * follow to the same handler, each send journaled, so that a handler that is run again sends nothing twice. The server
 * calls this process over HTTP/2; how many at once is the server's setting.
 */
import * as restate from '@restatedev/restate-sdk';
import { connect } from '@restatedev/restate-sdk-clients';
import { seedTask, type Task } from '../job.ts';
import { serveTool } from '../worker.ts';

type Server = { ingressUrl: string; adminUrl: string; servicePort: number };

await serveTool(async ({ settings, perform, expanded }) => {
  const { ingressUrl, adminUrl, servicePort } = JSON.parse(settings.server ?? '') as Server;
  const crawl = restate.service({
    name: 'crawl',
    handlers: {
      item: async (context: restate.Context, task: Task): Promise<void> => {
        const next = await context.run('fetch and write', () => perform(task));
        for (const child of next) context.serviceSendClient<typeof crawl>({ name: 'crawl' }).item(child);
        expanded(next.length);
      },
    },
  });
  await restate.serve({
    services: [crawl],
    port: servicePort,
    logger: (meta, ...message) => {
      if (meta.level === 'error') process.stderr.write(`${message.map(String).join(' ')}\n`);
    },
  });
  return async (how) => {
    // After a kill the server knows this deployment already, and comes back to it by itself.
    if (how === 'resume') return;
    const registered = await fetch(`${adminUrl}/deployments`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ uri: `http://127.0.0.1:${servicePort}` }),
    });
    if (!registered.ok) throw new Error(`The deployment was not registered: ${await registered.text()}`);
    await connect({ url: ingressUrl }).serviceSendClient<typeof crawl>({ name: 'crawl' }).item(seedTask);
  };
});
