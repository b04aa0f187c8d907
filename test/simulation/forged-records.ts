/** Records that a person has overwritten, tried on complete runs: a run's parameters, and what environments say of the rate. */
import type { RateReport } from '../../shared/engine/recovery/apply-rate.ts';
import type { AfterDay } from './after-day.ts';
import { bucketName } from './core.ts';
import type { Site } from './faults.ts';

const badParams = [
  '',
  'x',
  'null',
  '5',
  '[]',
  '{}',
  '{"params":5,"only":{},"given":[]}',
  '{"params":{},"only":"x","given":[]}',
  '{"params":null,"only":{},"given":[]}',
  '{"params":{},"only":[],"given":[]}',
  '{"params":{},"only":{},"given":{}}',
  '{"params":{"zone":null},"only":{},"given":[]}',
  '{"params":{},"only":{"a":[5]},"given":[]}',
] as const;

/** A run whose parameters can't be read asks the API for nothing, and its seed is a failure that says so. */
export async function refuseSpoiltParams(site: Site, { scene, settle, converge }: AfterDay): Promise<void> {
  const { api, bucket, checker, faults, plan, runs } = scene;
  const run = faults.pick(site, 'run', runs);
  const key = `params/${run}.json`;
  const [first] = plan.rows;
  const before = bucket.objects.get(key);
  if (first?.id === undefined || before === undefined || scene.isTampered) return;
  const body = faults.pick(site, 'body', badParams);
  bucket.write(key, body, {}, 'person');
  const calls = api.calls;
  const done = bucket.objects.get(`receipts/${first.level}/${run}.json`)?.metadata['input-etag'];
  do scene.drop(run);
  while (bucket.objects.get(`seeds/${run}.json`)?.eTag === done);
  await settle('after a seed of a run with spoilt parameters');
  const note = bucket.objects.get(`failures/${first.level}/${run}.json`)?.body ?? 'none';
  if (!note.includes('"code":"BAD_PARAMS"') || !note.includes('"status":"failed"'))
    checker.break('termination', `${key} is ${body}, and its seed is no failure that says so; its note: ${note}`);
  if (api.calls > calls) checker.break('idempotence', `the API is called for a run with the parameters ${body}`);
  bucket.write(key, before.body, before.metadata, 'person');
  scene.drop(run);
  await settle('after the right parameters were put back');
  await converge();
}

type Entry = { level: string; perSecond: number; waited: number; inFlight: number };

/** What is told of the use of the rate is what the environments say of themselves. */
export async function readForgedShares(site: Site, { scene, people, settle }: AfterDay): Promise<void> {
  const { bucket, checker, faults, levels, settings, time } = scene;
  const { deployed } = settings.limits;
  if (typeof deployed !== 'number') return;
  const key = 'control/shares.json';
  const names = [...levels.keys()];
  const entries = ['a', 'b', 'c'].slice(0, faults.between(site, 'environments', 1, 3)).map((id) => ({
    ...{ id, bucket: bucketName, rate: deployed, share: 0.1, saves: 0, wants: 0.5 },
    level: faults.pick(site, `level of ${id}`, names),
    perSecond: faults.pick(site, `calls of ${id}`, [
      0,
      1,
      ...[deployed / 3, deployed / 30, 1 / 3].map((each) => Math.round(each * 1000) / 1000),
    ]),
    waited: faults.pick(site, `waits of ${id}`, [0, 0.25, 0.75, 1]),
    inFlight: faults.pick(site, `in flight of ${id}`, [0, 0.1, 1, 10]),
    until: new Date(time.nowMs + 30_000).toISOString(),
  }));
  bucket.write(key, JSON.stringify({ version: time.nowMs, environments: entries }), {}, 'person');
  const reports: RateReport[] = [];
  people.rate((report) => reports.push(report));
  await settle('after a look at the use of the rate');
  const [report] = reports;
  bucket.delete(key, 'person');
  if (report === undefined) {
    checker.break('truth', 'the rate is not told');
    return;
  }
  const is = usedBy(entries, settings.environments, levels, deployed);
  const { perSecond, callMs, why } = report.use ?? {};
  const isRight =
    Math.abs((perSecond ?? -1) - is.perSecond) < 0.001 &&
    (is.callMs === undefined ? callMs === undefined : Math.abs((callMs ?? -1) - is.callMs) <= 0.5) &&
    (report.paused || report.frozenUntil !== undefined || is.why === why);
  if (!isRight)
    checker.break(
      'truth',
      `the use of the rate is told to be ${JSON.stringify(report.use)}, and is ${JSON.stringify(is)}: ${JSON.stringify(entries)}`,
    );
}

/** Why less than nine tenths are used. */
function usedBy(
  entries: readonly Entry[],
  mostOf: ReadonlyMap<string, number>,
  levels: AfterDay['scene']['levels'],
  allowed: number,
): { perSecond: number; callMs: number | undefined; why: string | undefined } {
  const sum = (what: Exclude<keyof Entry, 'level'>, of = entries): number =>
    of.reduce((all, entry) => all + entry[what], 0);
  const [perSecond, inFlight] = [sum('perSecond'), sum('inFlight')];
  const callMs = perSecond > 0 && inFlight > 0 ? (1000 * inFlight) / perSecond : undefined;
  const busy = [...new Set(entries.map(({ level }) => level))].filter((level) => {
    const its = entries.filter((entry) => entry.level === level);
    return sum('inFlight', its) > 0.6 * its.length * (levels.get(level)?.level.callsInFlight ?? 1);
  });
  const canBeMore = busy.some(
    (level) => entries.filter((entry) => entry.level === level).length < (mostOf.get(level) ?? 0),
  );
  const isBeginning = perSecond === 0 || sum('waited') / entries.length > 0.5;
  const why =
    perSecond >= 0.9 * allowed
      ? undefined
      : isBeginning
        ? 'beginning'
        : busy.length === 0
          ? 'few-items'
          : canBeMore
            ? 'few-environments'
            : 'latency';
  return { perSecond, callMs, why };
}
