/** The fake Hermes that the commands fetch from when they are given no address. */
import type { FakeApi } from '../../../cli/fake-api.ts';
import type { OptionTable } from '../../../cli/terminal/options.ts';
import { startHermesThread } from './thread.ts';

/** 1 + 10 + 10 x 20 + 10 x 20 x 9 = 2,011 calls. */
const data = { troops: 10, warriors: 20, groups: 9, hostile: false };

const whole = { kind: 'number', value: 'N', min: 0, whole: true } as const;

const options = {
  troops: { ...whole, max: 100_000, help: `troops that Hermes serves (default ${data.troops})` },
  warriors: { ...whole, max: 100_000, help: `warriors of each troop (default ${data.warriors})` },
  groups: { ...whole, max: 100_000, help: `data groups of each warrior (default ${data.groups})` },
  hostile: {
    kind: 'flag',
    help: 'every third id is one that breaks careless crawlers: slashes, dots, emoji, 200 characters',
  },
  'latency-ms': {
    ...whole,
    max: 600_000,
    whole: false,
    help: 'milliseconds that Hermes waits before each answer (default 0)',
  },
  'fail-rate': {
    ...whole,
    max: 1,
    whole: false,
    help: 'the share of calls that Hermes fails at random, 0 to 1 (default 0)',
  },
  'fail-forever': { ...whole, max: 1_000_000, help: 'this many calls fail every time they are made (default 0)' },
  'rate-limit': {
    ...whole,
    max: 1_000_000,
    help: 'Hermes answers 429 with Retry-After above this many calls a second (default 0: never)',
  },
} satisfies OptionTable;

const secret = 'local-hermes-token';

export default {
  name: 'Hermes',
  options,
  data,
  async start(given) {
    const { url, stats, stop } = await startHermesThread({
      troops: given.troops ?? data.troops,
      warriors: given.warriors ?? data.warriors,
      groups: given.groups ?? data.groups,
      hostile: given.hostile ?? data.hostile,
      token: secret,
      latencyMs: given['latency-ms'] ?? 0,
      failRate: given['fail-rate'] ?? 0,
      failForever: given['fail-forever'] ?? 0,
      rateLimit: given['rate-limit'] ?? 0,
    });
    return { url, secret, stats, stop };
  },
} satisfies FakeApi<typeof options>;
