/** The page's server on a deployment in memory. */
import { bundlePage } from '../../cli/page/bundle.ts';
import { startPageServer, type PageServer } from '../../cli/page/server.ts';
import type { Chain } from '../../shared/engine/chain/chain.ts';
import { openMemoryDeployment, type MemoryChange, type MemoryDeployment } from './memory-deployment.ts';

export type ServedPage = PageServer & { deployment: MemoryDeployment; token: string; origin: string };

export async function servePage(chain: Chain, change: MemoryChange = {}): Promise<ServedPage> {
  const deployment = openMemoryDeployment(chain, change);
  const bundle = await bundlePage();
  const server = await startPageServer({ deployment, bundle, stage: 'dev', port: 0, portOption: '--port' });
  const { origin, searchParams } = new URL(server.addressOf());
  return { ...server, deployment, origin, token: searchParams.get('token') ?? '' };
}
