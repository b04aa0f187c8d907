/** What people drop by mistake, tried on complete runs: seeds and rates that must be refused, and say why, next to some that must not. */
import type { RateReport } from '../../shared/engine/recovery/apply-rate.ts';
import type { AfterDay } from './after-day.ts';
import type { Site } from './faults.ts';
import { fieldsOf, spoilt } from './other-shapes.ts';
import type { Scene } from './scene.ts';

/** A refused seed is a failure with a reason, costs no call unless its ids have to be looked for, and the right one works after it. */
export async function refuseMistakenSeeds(site: Site, { scene, people, settle, converge }: AfterDay): Promise<void> {
  const { api, bucket, checker, faults, plan, runs } = scene;
  const run = faults.pick(site, 'run', runs);
  const [first] = plan.rows;
  if (first?.id === undefined) return;
  const all = mistakenSeeds(scene);
  const start = faults.between(site, 'seed', 0, all.length - 1);
  for (const { text, codes } of [...all, ...all].slice(start, start + 3)) {
    const calls = api.calls;
    bucket.write(`seeds/${run}.json`, text, {}, 'person');
    await settle('after a mistaken seed');
    const note = bucket.objects.get(`failures/${first.level}/${run}.json`)?.body ?? 'none';
    if (!codes.some((code) => note.includes(`"code":"${code}"`)) || !note.includes('"status":"failed"'))
      checker.break(
        'termination',
        `the seed ${text} is no failure with the code ${codes.join(' or ')}; its note: ${note}`,
      );
    const isToldOfParams = note.includes('\\"params\\": {');
    if (note.includes('"code":"BAD_SEED"') && isToldOfParams !== Object.keys(plan.params).length > 0)
      checker.break('truth', `the note of the seed ${text} does not tell what seeds may say: ${note}`);
    if (!codes.includes('UNKNOWN_ID') && api.calls > calls)
      checker.break('idempotence', `the API is called for the seed ${text}`);
    if (checker.violation !== undefined) return;
  }
  people.sweep({});
  await settle('after a sweep of a run with a mistaken seed');
  if (bucket.objects.has(checker.ledger.markerOf(run)))
    checker.break('truth', `${run} is marked complete for a mistaken seed`);
  scene.drop(run);
  await settle('after the right seed was dropped again');
  await converge();
}

function mistakenSeeds({ plan }: Scene): { text: string; codes: string[] }[] {
  const ids = plan.rows.flatMap(({ id }) => id ?? []);
  const [first = ''] = ids;
  const required = Object.fromEntries(
    Object.entries(plan.params).flatMap(([name, { default: usual }]) => (usual === undefined ? [[name, 'north']] : [])),
  );
  const seed = (fields: object): string => JSON.stringify({ params: required, ...fields });
  const wrongValues = { text: 5, number: '5', boolean: 'true', timestamp: '2026-11-31x' } as const;
  const bad = [
    '',
    ' \n',
    'x',
    'null',
    '[]',
    '"all"',
    seed({ onyl: {} }),
    seed({ only: [] }),
    seed({ only: null }),
    seed({ only: { nothing: ['a'] } }),
    seed({ only: { [first]: [] } }),
    seed({ only: { [first]: [''] } }),
    seed({ only: { [first]: [1.5] } }),
    seed({ only: { [first]: ['a', null] } }),
    seed({ only: { [first]: 'a' } }),
    seed({ params: [] }),
    seed({ params: { ...required, nothing: 1 } }),
    ...Object.entries(plan.params).map(([name, { type }]) =>
      seed({ params: { ...required, [name]: wrongValues[type] } }),
    ),
    ...(Object.keys(required).length > 0 ? ['{}'] : []),
  ];
  return [
    ...bad.map((text) => ({ text, codes: ['BAD_SEED'] })),
    // The id is looked for in the API's list, unless the run was started with ids below the first level, which this seed lacks.
    { text: seed({ only: { [first]: ['nowhere'] } }), codes: ['UNKNOWN_ID', 'PARAMS_CHANGED'] },
  ];
}

type Told = Pick<RateReport, 'requestsPerSecond' | 'paused'>;

/** A bad rate is refused, and the last good one stays. */
export async function refuseMistakenRates(site: Site, { scene, people, settle }: AfterDay): Promise<void> {
  const { bucket, checker, faults, settings } = scene;
  const { deployed } = settings.limits;
  const isOpen = deployed === 'unlimited';
  const good: [body: string, told: Told][] = [
    ['{}', { requestsPerSecond: deployed, paused: false }],
    ['\uFEFF{"paused":true}', { requestsPerSecond: deployed, paused: true }],
    ['{"requestsPerSecond":0}', { requestsPerSecond: deployed, paused: true }],
    ['{"paused":false}', { requestsPerSecond: deployed, paused: false }],
    ...(isOpen
      ? []
      : [0.2, 0.5, 1, 300].map((rate): [string, Told] => [
          `{"requestsPerSecond":${rate}}`,
          { requestsPerSecond: rate, paused: false },
        ])),
    ...(isOpen
      ? []
      : [['{"requestsPerSecond":3,"paused":true}', { requestsPerSecond: 3, paused: true }] as [string, Told]]),
  ];
  const bad = [
    '',
    'x',
    'null',
    '[]',
    '5',
    '{"paused"',
    '{"paused":"yes"}',
    '{"paused":1}',
    '{"pause":true}',
    '{"requestsPerSecond":"5"}',
    '{"requestsPerSecond":-1}',
    '{"requestsPerSecond":null}',
    '{"requestsPerSecond":0.19}',
    '{"requestsPerSecond":1e999}',
    'x'.repeat(1_000_001),
    ...(isOpen ? ['{"requestsPerSecond":5}'] : []),
  ];
  for (const [right, told] of good) {
    await tell(right, told, false);
    await tell(faults.pick(site, `bad after ${right}`, bad), told, true);
  }
  // What was good for other limits, or is none, is not the last good one.
  for (const lastGood of ['{"requestsPerSecond":0.01}', 'x', '{"requestsPerSecond":-1}']) {
    bucket.write('control/last-good-rate.json', lastGood, {}, 'person');
    await tell(faults.pick(site, `bad and ${lastGood}`, bad), { requestsPerSecond: deployed, paused: false }, true);
  }
  bucket.write('control/rate.json', '{}', {}, 'person');
  people.rate(() => undefined);
  await settle('after the rate was set back');

  async function tell(body: string, expected: Told, isBad: boolean): Promise<void> {
    bucket.write('control/rate.json', body, {}, 'person');
    const reports: RateReport[] = [];
    people.rate((report) => reports.push(report));
    await settle('after a rate was set');
    const [report] = reports;
    const isRight =
      report?.paused === expected.paused &&
      report.requestsPerSecond === expected.requestsPerSecond &&
      (report.problem !== undefined) === isBad &&
      report.minimumPerSecond === settings.limits.minimumPerSecond;
    if (!isRight)
      checker.break(
        'rate',
        `after the rate ${body} it should be ${JSON.stringify(expected)}, and is told to be ${JSON.stringify(report)}`,
      );
  }
}

/** A report with one field of another shape is none: how the run stands is counted anew, and the next sweep writes a whole one. */
export async function passOverSpoiltReports(site: Site, { scene, people, settle }: AfterDay): Promise<void> {
  const { bucket, checker, faults, plan, runs } = scene;
  const run = faults.pick(site, 'run', runs);
  const key = `runs/${run}.json`;
  people.sweep({ run });
  await settle('after a sweep of a complete run');
  const stored = bucket.objects.get(key)?.body;
  if (stored === undefined || checker.violation !== undefined) return;
  const sample = { key: 'k', message: 'x', at: '2026-11-20T06:00:00.000Z' };
  const reason = { level: plan.rows[0]?.level, code: 'X', count: 1, sample };
  const whole = JSON.stringify({ ...(JSON.parse(stored) as object), reasons: [reason] });
  const fields = fieldsOf(JSON.parse(whole) as object).filter(
    (field) => !/contents|results|PerSecond|secondsLeft/.test(field),
  );
  for (const which of ['first', 'second', 'third', 'fourth', 'fifth']) {
    const place = { ...site, where: `${site.where} ${which}` };
    const ofReason = fields.filter((field) => field.startsWith('reasons.0'));
    const field = faults.pick(place, `${which} field`, which === 'fifth' ? ofReason : fields);
    const body = spoilt(JSON.parse(whole) as object, field.split('.'));
    bucket.write(key, body, {}, 'person');
    people.status({ run }, (status) => {
      if ('from' in status && status.from !== 'census')
        checker.break('truth', `the report of ${run} is used although ${field} is of another shape: ${body}`);
    });
    await settle('after a look at a run with a spoilt report');
  }
  bucket.write(key, whole, {}, 'person');
  people.status({ run }, (status) => {
    // One that is not complete is counted anew when it is a minute old.
    if ('from' in status && whole.includes('"complete":true') && status.from !== 'report')
      checker.break('truth', `the report of ${run} is not used although it is whole: ${whole}`);
  });
  await settle('after a look at a run with a whole report');
  bucket.write(key, stored, {}, 'person');
}
