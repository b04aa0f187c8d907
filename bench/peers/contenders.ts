/** Who takes part: what runs, what it needs, and what it promises by its documentation and by the kill test. */
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { batchSize } from './layout.ts';
import { postgres, redis, restate, type ServerKind } from './servers.ts';

export type Promises = Record<'retries' | 'deadLetters' | 'replay' | 'killed', string>;

export type Contender = {
  /** For `--only`. */
  name: string;
  title: string;
  script: string;
  /** Of bench/peers, whose versions the table names; the first is the tool's own. */
  packages: readonly string[];
  /** How many items of the last level are one task and one object; 1: each on its own. */
  batch: number;
  server?: ServerKind;
  /** Where its results are: the S3 of all peers, the engine's own, one that the tool brings along, or memory. */
  store: 'shared' | 'engine' | 'own' | 'memory';
  promises: Promises;
};

const none = 'none';

const single: readonly Contender[] = [
  {
    name: 'memory-loop',
    title: 'bare loop, in memory',
    script: 'loop.ts',
    packages: [],
    batch: 1,
    store: 'memory',
    promises: { retries: none, deadLetters: none, replay: none, killed: 'everything is lost' },
  },
  {
    name: 'loop',
    title: 'bare loop, to S3',
    script: 'loop.ts',
    packages: [],
    batch: 1,
    store: 'shared',
    promises: {
      retries: none,
      deadLetters: none,
      replay: none,
      killed: 'it starts again from nothing: every call is made again',
    },
  },
  {
    name: 'ours',
    title: `s3-cascade, batches of ${batchSize}`,
    script: 'ours.ts',
    packages: [],
    batch: batchSize,
    store: 'engine',
    promises: {
      retries: '3 in the function, 2 by Lambda',
      deadLetters: 'a queue for each level, and a note in the bucket',
      replay: '`replay`, by level, run, rate, limit; done items are not fetched again',
      killed: 'the run continues; the sweep finds what was lost; only calls that were under way are made again',
    },
  },
  {
    name: 'bullmq',
    title: 'BullMQ on Redis',
    script: 'tools/bullmq.ts',
    packages: ['bullmq', 'ioredis'],
    batch: 1,
    server: redis,
    store: 'shared',
    promises: {
      retries: 'as set: 3 attempts, exponential backoff (by default none)',
      deadLetters: 'the failed set, with the error; kept in Redis until removed',
      replay: '`queue.retryJobs({ state: "failed" })`, all or by time; a job by its id',
      killed:
        'jobs that ran are stalled: they are started again once their lock is over (30 s) and the stalled check comes (each 30 s), once, then failed; Redis itself may lose a second (appendfsync everysec)',
    },
  },
  {
    name: 'graphile-worker',
    title: 'graphile-worker on PostgreSQL',
    script: 'tools/graphile-worker.ts',
    packages: ['graphile-worker', 'pg'],
    batch: 1,
    server: postgres,
    store: 'shared',
    promises: {
      retries: '25 attempts by default, exponential backoff',
      deadLetters: 'none: a job whose attempts are used up stays in its table, with the last error',
      replay: '`rescheduleJobs`, by job ids',
      killed:
        'jobs that ran stay locked for four hours, unless a person calls `forceUnlockWorkers` with the ids of dead workers; finished jobs are forgotten, so their job keys no longer hold duplicates back',
    },
  },
  {
    name: 'restate',
    title: 'Restate',
    script: 'tools/restate.ts',
    packages: ['@restatedev/restate-sdk'],
    batch: 1,
    server: restate,
    store: 'shared',
    promises: {
      retries: '70 attempts by default, exponential to a minute, then paused',
      deadLetters: 'none: paused invocations, seen by SQL or UI',
      replay: 'resume a paused invocation, or start one again from its journal, by id or query',
      killed: 'the server calls again as soon as the service is back; journaled steps are not run again',
    },
  },
  {
    name: 'crawlee',
    title: 'Crawlee BasicCrawler',
    script: 'tools/crawlee.ts',
    packages: ['@crawlee/basic'],
    batch: 1,
    store: 'shared',
    promises: {
      retries: '3 by default, without a wait',
      deadLetters: 'none: `failedRequestHandler` is called; the request stays in its folder with its errors',
      replay: 'none',
      killed:
        'by default the storage is purged and it starts from nothing; with purgeOnStart off it continues, and starts again what ran when its lock is over (3 minutes)',
    },
  },
  {
    name: 'serverless-offline',
    title: 'serverless-offline with serverless-s3-local',
    script: 'tools/serverless-offline.ts',
    packages: ['serverless-offline', 'serverless-s3-local', 'serverless'],
    batch: 1,
    store: 'own',
    promises: {
      retries: none,
      deadLetters: none,
      replay: none,
      killed: 'every event that was queued or ran is lost',
    },
  },
];

/** Those whose task may as well be a batch, which is then one file of results, as s3-cascade writes it. */
const batchable = ['loop', 'bullmq', 'graphile-worker', 'restate', 'crawlee'];

const batched = single
  .filter(({ name }) => batchable.includes(name))
  .map((contender) => ({
    ...contender,
    name: `${contender.name}-batches`,
    title: `${contender.title}, batches of ${batchSize}`,
    batch: batchSize,
  }));

export const contenders: readonly Contender[] = [...single, ...batched];

const modules = join(import.meta.dirname, 'node_modules');

/** Why it can't take part here, and what to do; undefined when it can. */
export function absence({ packages, server }: Contender): string | undefined {
  const missing = packages.filter((name) => !existsSync(join(modules, name)));
  if (missing.length > 0) return `${missing.join(', ')} not installed: \`npm ci\` in bench/peers`;
  return server?.absent();
}

/** Such as `bullmq 6.7.0, ioredis 5.11.1, Redis 7.0.15`. */
export function versionsOf({ packages, server }: Contender): string {
  const ofPackages = packages.map((name) => {
    const file = join(modules, name, 'package.json');
    const { name: realName, version } = JSON.parse(readFileSync(file, 'utf8')) as { name: string; version: string };
    return `${realName} ${version}`;
  });
  return [...ofPackages, ...(server === undefined ? [] : [server.version()])].join(', ');
}
