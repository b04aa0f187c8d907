/**
 * How long a run of 50 calls takes alone; beside a large one that has been going on for a while, at the same rate; and in a stage of
 * its own with a fifth of the rate. In both ways of triggering, each engine fresh. Ratios of one sitting; Lambda's waits are
 * shortened as much as said, the rate is not.
 */
import { setTimeout as wait } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import { lastLevel } from '../shared/engine/chain/chain.ts';
import { type LocalAws, packageService, startLocalAws } from '../local-aws/index.ts';
import { apiAccess, tokenSecret } from '../cli/run/api.ts';
import chain from '../sources/hermes/chain.ts';
import { callKey } from '../sources/hermes/fake/call-key.ts';
import { startHermes } from '../sources/hermes/fake/server.ts';
import { readResults, type ReadResult } from '../test/results.ts';

const { values } = parseArgs({
  options: {
    rate: { type: 'string', default: '60' },
    'head-start-seconds': { type: 'string', default: '40' },
    'time-scale': { type: 'string', default: '60' },
  },
});
const rate = Number(values.rate);
const headStartMs = Number(values['head-start-seconds']) * 1000;
const timeScale = Number(values['time-scale']);

/** 20 x 50 x 10: 11,021 calls; but of the first troop only 1 + 1 + 4 + 4 x 11 = 50 are asked for. */
const tree = { troops: 20, warriors: 50, groups: 10 };
const smallWarriors = 4;
const smallGroups = 11;

/** Seconds from the seed to the last of the small run's results. */
async function measure(trigger: 'direct' | 'queue', callRate: number, isBeside: boolean): Promise<number> {
  const token = 'bench';
  const hermes = await startHermes({ ...tree, token });
  const [troop = ''] = hermes.tree().idsAt([0]);
  const overrides = Object.fromEntries([
    [callKey('warriors', [troop]), { children: smallWarriors }],
    ...Array.from({ length: smallWarriors }, (_, warrior) => [
      callKey('data-groups', hermes.tree().idsAt([0, warrior])),
      { children: smallGroups },
    ]),
  ]) as Record<string, { children: number }>;
  hermes.configure({ overrides });
  const params = { source: 'hermes', rate: String(callRate), trigger, apiTokenSecret: tokenSecret };
  const { packageDir } = await packageService({ serviceDir: process.cwd(), params });
  const access = apiAccess(hermes.url, token);
  const engine = await startLocalAws(packageDir, { timeScale, ...access });
  try {
    if (isBeside) {
      const others = Array.from({ length: tree.troops - 1 }, (_, at) => hermes.tree().idsAt([at + 1])[0]);
      drop(engine, 'large', { only: { troop: others } });
      await wait(headStartMs);
    } else {
      // So that the environments are started.
      drop(engine, 'warm', { only: { troop: [troop] } });
      await done(engine, 'warm');
    }
    const startedMs = performance.now();
    drop(engine, 'small', { only: { troop: [troop] } });
    await done(engine, 'small');
    return (performance.now() - startedMs) / 1000;
  } finally {
    await engine.stop();
    await hermes.stop();
  }
}

function drop({ s3, bucket }: LocalAws, run: string, seed: object): void {
  s3.put(bucket, `seeds/${run}.json`, Buffer.from(JSON.stringify(seed)));
}

async function done({ s3, bucket }: LocalAws, run: string): Promise<void> {
  const level = lastLevel(chain);
  const prefix = `${level.writes}/${run}/`;
  const results = (): ReadResult[] => {
    const parts = s3.list(bucket, { prefix }).contents.map(({ key }) => ({
      key,
      body: Buffer.from(s3.get(bucket, key).body).toString(),
    }));
    return readResults(level, run, parts);
  };
  while (results().length < smallWarriors * smallGroups) await wait(100);
}

process.stdout.write(
  `At ${rate} requests a second, beside 11,021 calls with a head start of ${headStartMs / 1000} s.\n\n`,
);
process.stdout.write(
  '| trigger | alone, s | beside, s | times as long | own stage, s | times as long |\n| --- | --- | --- | --- | --- | --- |\n',
);
for (const trigger of ['direct', 'queue'] as const) {
  const alone = await measure(trigger, rate, false);
  const own = await measure(trigger, rate / 5, false);
  const beside = await measure(trigger, rate, true);
  process.stdout.write(
    `| ${trigger} | ${alone.toFixed(1)} | ${beside.toFixed(1)} | ${(beside / alone).toFixed(1)} | ${own.toFixed(1)} | ${(own / alone).toFixed(1)} |\n`,
  );
}
