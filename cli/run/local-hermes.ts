/** The Hermes that both commands fetch from when they are given no other, and what the functions are told of it. */
import { startHermesThread, type HermesThread } from '../../sources/hermes/fake/thread.ts';
import type { Given } from '../terminal/options.ts';
import type { startOptions } from './run-options.ts';
import type { RunSettings } from './run-file.ts';

/** What the functions get for an API: where it is, and where its token lies. */
export type ApiAccess = { environment: Record<string, string>; secrets: Record<string, string> };

/** The parameter `hermesTokenSecret` of the local deployment: its functions may read this one and no other. */
export const tokenSecret = 'local/hermes-token';

/** The token goes the way that it goes on AWS: through Secrets Manager, never through a variable. */
export function apiAccess(url: string, token: string): ApiAccess {
  return {
    environment: { HERMES_URL: url, HERMES_TOKEN_SECRET: token === '' ? '' : tokenSecret },
    secrets: token === '' ? {} : { [tokenSecret]: token },
  };
}

const localToken = 'local-hermes-token';

export async function startLocalHermes(
  tree: RunSettings,
  faults: Pick<Given<typeof startOptions>, 'latency-ms' | 'fail-rate' | 'fail-forever' | 'rate-limit'>,
): Promise<{ hermes: HermesThread; access: ApiAccess }> {
  const hermes = await startHermesThread({
    troops: tree.troops,
    warriors: tree.warriors,
    groups: tree.groups,
    hostile: tree.hostile,
    token: localToken,
    latencyMs: faults['latency-ms'] ?? 0,
    failRate: faults['fail-rate'] ?? 0,
    failForever: faults['fail-forever'] ?? 0,
    rateLimit: faults['rate-limit'] ?? 0,
  });
  return { hermes, access: apiAccess(hermes.url, localToken) };
}
