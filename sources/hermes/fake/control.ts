/** Steers a local Hermes from another thread or process, over its control interface. */
import { parseCallLog } from './audit.ts';
import type { HermesCall } from './call-log.ts';
import type { HermesSettings } from './options.ts';

export type HermesControl = {
  /** @throws RangeError for a setting that is unknown or out of range; nothing is changed then */
  configure: (change: Partial<HermesSettings>) => Promise<void>;
  calls: () => Promise<HermesCall[]>;
  clearCalls: () => Promise<void>;
  failForeverKeys: () => Promise<string[]>;
  stats: () => Promise<{ calls: number; byStatus: Record<string, number> }>;
};

export function hermesControl(url: string): HermesControl {
  const ask = async (name: string, init?: RequestInit): Promise<string> => {
    const response = await fetch(`${url}/_hermes/${name}`, init);
    const body = await response.text();
    if (response.status === 400) throw new RangeError(body);
    if (!response.ok) throw new Error(`Hermes's control interface answered ${response.status} to ${name}: ${body}`);
    return body;
  };
  return {
    configure: async (change) => {
      await ask('configure', { method: 'POST', body: JSON.stringify(change) });
    },
    calls: async () => parseCallLog(await ask('calls')),
    clearCalls: async () => {
      await ask('clear', { method: 'POST' });
    },
    failForeverKeys: async () => JSON.parse(await ask('fail-forever')) as string[],
    stats: async () => JSON.parse(await ask('stats')) as { calls: number; byStatus: Record<string, number> },
  };
}
