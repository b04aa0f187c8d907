/** The page of a deployment, from its clients to its address. */
import { spawn } from 'node:child_process';
import { openDeployment } from '../run/deployment.ts';
import type { Deployment } from '../run/function-client.ts';
import { bundlePage } from './bundle.ts';
import { startPageServer, type PageOptions, type PageServer } from './server.ts';

/**
 * @param countCalls calls of all runs so far, where an engine in this process counts them
 * @throws DeploymentError when there is no deployment; UsageError when the port is taken
 */
export async function openPage(
  deployment: Deployment,
  options: Pick<PageOptions, 'port' | 'portOption' | 'countCalls'>,
): Promise<PageServer> {
  const opened = await openDeployment(deployment);
  try {
    const bundle = await bundlePage();
    const server = await startPageServer({ deployment: opened, bundle, stage: deployment.stage, ...options });
    return {
      ...server,
      async stop() {
        await server.stop();
        opened.close();
      },
    };
  } catch (error) {
    opened.close();
    throw error;
  }
}

const openers: Readonly<Record<string, string>> = { darwin: 'open', win32: 'explorer' };

/** In the person's browser, when a person is there. A machine without one has the address in its terminal. */
export function openInBrowser(address: string): void {
  if (!process.stdout.isTTY) return;
  const opener = spawn(openers[process.platform] ?? 'xdg-open', [address], { stdio: 'ignore', detached: true });
  opener.on('error', () => undefined);
  opener.unref();
}
