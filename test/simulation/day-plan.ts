/** What people, the clock and AWS do in the course of a bad day, set before it begins. */
import type { ReplayRequest } from '../../shared/engine/recovery/replay-request.ts';
import type { Site } from './faults.ts';
import type { People } from './people.ts';
import type { Scene } from './scene.ts';

export function planDay(scene: Scene, people: People): void {
  dropSeeds(scene, people);
  setPeople(scene, people);
  stopRuns(scene, people);
  setConcurrency(scene);
  setMischief(scene);
}

function dropSeeds(scene: Scene, people: People): void {
  const { faults, time, runs, drop } = scene;
  for (const [index, run] of runs.entries()) {
    time.in(index * 1000, () => drop(run));
    const site = faults.site(`seed ${run}`);
    // The first seed is still being expanded when the second one comes.
    if (faults.strikes('seed-dropped-twice', site))
      time.in(index * 1000 + faults.between(site, 'twice', 1, 6_000), () => drop(run));
    if (faults.strikes('seed-dropped-again', site)) atSomeTime(scene, `seed ${run}`, () => drop(run));
    if (faults.strikes('stray-event', site))
      atSomeTime(scene, `stray ${run}`, () => scene.stray(faults.between(site, 'stray', 0, 3)));
    for (const which of ['first', 'second']) {
      if (!faults.strikes('object-deleted', faults.site(`delete ${which} ${run}`))) continue;
      atSomeTime(scene, `delete ${which} ${run}`, () => scene.deleteSomething(run, which));
    }
  }
  for (const [index, body] of ['{"paused":true}', '{"requestsPerSecond":0}', '{"paused"', '{}'].entries()) {
    const place = faults.site(`rate ${index}`);
    if (faults.strikes('rate-set', place)) atSomeTime(scene, `rate ${index}`, () => people.setRate(body));
  }
}

/** Pauses, cancels and resumes of single runs; some of them are taken back soon. */
function stopRuns(scene: Scene, people: People): void {
  const { faults, time, runs } = scene;
  for (let index = 1; index <= 4; index += 1) {
    const site = faults.site(`run stopped ${index}`);
    if (!faults.strikes('run-stopped', site)) continue;
    const run = faults.pick(site, 'run', runs);
    const wish = faults.pick(site, 'wish', ['pause', 'pause', 'cancel', 'cancel', 'resume', 'deleted'] as const);
    atSomeTime(scene, `run stopped ${index}`, () => {
      people.setRun(run, wish);
      if (faults.between(site, 'taken back', 0, 1) === 1)
        time.in(faults.between(site, 'for', 1, faults.pick(site, 'longest', [2_000, 120_000, 20_000_000])), () =>
          people.setRun(run, 'resume'),
        );
    });
  }
}

/** Why items fail. */
const wantedCodes = ['HTTP_404', 'HTTP_500'];

/** The clock's sweeps, and the people's looks, replays and sweeps, at any moment, two at a time, and crashing too. */
function setPeople(scene: Scene, people: People): void {
  const { faults, time, startMs, dayMs, runs } = scene;
  const sweeps = faults.between(scene.faults.site('day'), 'sweeps', 2, 8);
  for (let index = 1; index <= sweeps; index += 1) {
    const site = faults.site(`sweep ${index}`);
    // Some meet the run while it unfolds.
    const isEarly = index < 3 && faults.between(site, 'early', 0, 1) === 1;
    const atMs =
      startMs + (isEarly ? faults.between(site, 'at', 1, 300_000) : Math.round((dayMs * index) / (sweeps + 1)));
    time.at(atMs, () => people.sweep({}));
    if (faults.strikes('sweep-beside', site))
      time.at(atMs + faults.between(site, 'beside', 0, 2_000), () =>
        people.sweep(
          faults.pick(site, 'request', [
            {},
            { run: runs[0] },
            { dryRun: true },
            { olderThan: 60 },
            { level: scene.plan.rows.at(-1)?.level },
          ]),
        ),
      );
    // Race with the sweep itself.
    if (faults.strikes('seed-dropped-again', site))
      time.at(atMs + faults.between(site, 'seed', 0, 3_000), () => scene.drop(runs[0] ?? ''));
  }
  const looks = faults.between(faults.site('day'), 'looks', 0, 4);
  for (let index = 1; index <= looks; index += 1) {
    const site = faults.site(`look ${index}`);
    time.at(startMs + faults.between(site, 'at', 1, dayMs), () =>
      people.status(faults.pick(site, 'request', [{}, { run: runs[0] }, { run: runs[0], fresh: true }])),
    );
  }
  const requests: ReplayRequest[] = [
    {},
    {},
    { rate: 2 },
    { limit: 1 },
    { dryRun: true },
    { run: runs[0] },
    { level: scene.plan.rows[1]?.level },
    { from: 'failures' },
    { from: 'failures', force: true },
    { from: 'failures', run: runs[0] },
    { from: 'failures', level: scene.plan.rows.at(-1)?.level },
    ...wantedCodes.flatMap((code): ReplayRequest[] => [{ code }, { code, from: 'failures' }]),
    { force: true },
  ];
  for (let index = 1; index <= 4; index += 1) {
    const site = faults.site(`replay ${index}`);
    if (!faults.strikes('replay-beside', site)) continue;
    const atMs = startMs + faults.between(site, 'at', 1, dayMs);
    time.at(atMs, () => people.replay(faults.pick(site, 'request', requests)));
    if (faults.between(site, 'two', 0, 3) === 0)
      time.at(atMs + faults.between(site, 'beside', 0, 2_000), () =>
        people.replay(faults.pick(site, 'other', requests)),
      );
  }
}

function setConcurrency(scene: Scene): void {
  const { faults, time, levels, startMs, dayMs } = scene;
  for (const [name, { environments }] of levels) {
    for (const [fault, limit] of [
      ['concurrency-zero', 0],
      ['concurrency-one', 1],
    ] as const) {
      const site = faults.site(`${fault} ${name}`);
      if (!faults.strikes(fault, site)) continue;
      const { limit: usual } = environments;
      const atMs = startMs + faults.between(site, 'at', 1, dayMs / 2);
      time.at(atMs, () => (environments.limit = Math.min(limit, usual)));
      time.at(atMs + faults.between(site, 'for', 60_000, dayMs / 2), () => (environments.limit = usual));
    }
  }
}

function setMischief(scene: Scene): void {
  const { faults, mischief, runs } = scene;
  const acts = [
    ['junk-object', 4, (site: Site) => mischief.leaveJunk(site)],
    ['spoiled-record', 4, (site: Site) => mischief.spoilRecord(site)],
    ['poisoned-freeze', 1, (site: Site) => mischief.poisonFreeze(site)],
    ['forged-letter', 4, (site: Site) => mischief.forgeLetter(site)],
    ['forged-sibling', 2, (site: Site) => mischief.forgeSibling(site)],
    ['forged-batch', 2, (site: Site) => mischief.forgeBatch(site)],
    ['forged-part', 2, (site: Site) => mischief.forgePart(site)],
    ['params-changed', 1, (site: Site) => void scene.dropChanged(faults.pick(site, 'run', runs), site)],
  ] as const;
  for (const [fault, times, act] of acts) {
    for (let index = 1; index <= times; index += 1) {
      const site = faults.site(`${fault} ${index}`);
      if (faults.strikes(fault, site)) atSomeTime(scene, `${fault} ${index}`, () => act(site));
    }
  }
}

function atSomeTime(scene: Scene, what: string, act: () => void): void {
  const { faults, time, startMs, dayMs } = scene;
  const site = faults.site(`time of ${what}`);
  // Half of it happens while the run unfolds.
  const untilMs = faults.between(site, 'early', 0, 1) === 1 ? 600_000 : dayMs;
  time.at(startMs + faults.between(site, 'at', 1, untilMs), act);
}
