/**
 * Many seeds of rate-world.ts, each with a shape, a rate and faults of its own, some with two stages that share one API: in any
 * time t there are at most R·t + C calls, C being the environments that may run, or the places that there are for them, and one more
 * for each that crashed; with `auto`, R is what the API has said of late; at no moment the shares in use are more than all; and
 * where nothing goes wrong, nearly all of the rate is used.
 *
 *     node test/simulation/rate-worlds.ts --seeds 400 [--from 1] [--core FOLDER]
 */
import { parseArgs } from 'node:util';
import { loadCore } from './core.ts';
import { hashText, unit } from './random.ts';
import { wrongMoment } from './rate-moments.ts';
import { runRateWorld, type RateWorldOptions, type ToldFrom } from './rate-world.ts';

const trees = [
  [1, 50],
  [1, 5, 30, 100],
  [1, 2, 4, 8, 16, 32, 64],
  [30, 30, 30],
  [1, 1, 1, 1, 100],
] as const;

/** Parts of a call that rounding to milliseconds costs. */
const slackCalls = 0.01;
const slackShares = 1e-9;
/**
 * How much longer than at the whole rate a tree takes: its levels begin one after the other, each with an environment that asks for
 * its share first, and the shares follow what each could use.
 */
const longest = { part: 1.65, secondsALevel: 4 };
/** An environment that begins alone makes its first call at once, but for some requests to S3. */
const longestStartMs = 500;
/** Of earnings.ts. */
const timerLateMs = 20;

/** What is known of the API's limit may be 5 seconds old; and while S3 can't be reached, as old as that lasts. */
const calmLearnMs = 8_000;
const faultyLearnMs = 60_000;

function drawRateWorld(seed: number): Omit<RateWorldOptions, 'core'> {
  const pick = <T>(what: string, from: readonly [T, ...T[]]): T =>
    from[Math.floor(unit(hashText(what, seed)) * from.length)] ?? from[0];
  const calls = pick<readonly number[]>('tree', trees);
  const isCalm = pick('calm', [true, false, false, false]);
  const odds = (fault: string, most: number): number => (isCalm ? 0 : pick(fault, [0, most / 4, most]));
  // Where nothing else is going on, it shows how much of the rate is used.
  const isPlain = isCalm && pick('plain', [true, true, false]);
  const told = !isPlain && pick('told', [false, false, true]) ? drawTold(seed) : undefined;
  const secondRate =
    !isPlain && pick('stages', [false, false, true]) ? pick('second rate', [1, 5, 20, 100]) : undefined;
  const isOneRate = told === undefined && secondRate === undefined;
  return {
    seed,
    told,
    secondRate,
    learnMs: isCalm ? calmLearnMs : faultyLearnMs,
    perSecond: pick('rate', [1, 5, 20, 100]),
    calls,
    environments: calls.map((_, level) => pick(`environments ${level}`, [1, 2, 3, 5])),
    places: isPlain ? undefined : pick('places', [undefined, undefined, undefined, 1, 3, 6]),
    atOnce: pick('at once', [1, 3, 10]),
    callMs: [50, 400],
    skewMs: 800,
    hurries: isOneRate ? odds('hurries', 0.2) : 0,
    spoils: isOneRate ? odds('spoils', 0.06) : 0,
    faults: {
      stalls: odds('stalls', 0.02),
      dies: odds('dies', 0.03),
      cut: odds('cut', 0.05),
      recycled: odds('recycled', 0.3),
      fails: odds('fails', 0.2),
      slow: odds('slow', 0.05),
      late: odds('late', 0.8),
      silent: pick('silent', [0, 0.3]),
    },
  };
}

/** Limits of the API that rise and fall; some are above the most that `auto` may be. */
function drawTold(seed: number): ToldFrom[] {
  let fromMs = 0;
  return Array.from({ length: 20 }, (_, index) => {
    const drawn = (what: string): number => unit(hashText(`${what} ${index}`, seed));
    const told = { fromMs, perSecond: [0.5, 2, 10, 40, 300][Math.floor(drawn('told') * 5)] ?? 1 };
    fromMs += 10_000 + drawn('for') * 80_000;
    return told;
  });
}

/** @returns what is wrong with a seed; undefined: nothing */
export async function tryRateWorld(core: RateWorldOptions['core'], seed: number): Promise<string | undefined> {
  const wrong = await wrongMoment(core, seed);
  if (wrong !== undefined) return `Seed ${seed}: ${wrong}`;
  const options = drawRateWorld(seed);
  const {
    burst,
    crashes,
    misled,
    shares,
    saves,
    seconds,
    problems: found,
    made,
  } = await runRateWorld({ core, ...options });
  const { environments, secondRate, told, calls, perSecond, atOnce, callMs, faults = {} } = options;
  const stages = secondRate === undefined ? 1 : 2;
  const places = options.places === undefined ? undefined : stages * options.places;
  const isCalm =
    [places, secondRate, told].every((one) => one === undefined) && Object.values(faults).every((odds) => odds === 0);
  const mostSeconds = calls.reduce((sum, count, level) => {
    const busySeconds = (count * (callMs[1] / 1000)) / ((environments[level] ?? 1) * atOnce);
    return sum + (longest.part * count) / perSecond + busySeconds + longest.secondsALevel;
  }, 0);
  const rate = Math.max(perSecond, secondRate ?? 0);
  const running = environments.reduce((sum, count) => sum + count, 0);
  // Where C is small, it shows that a timer that is late does not lose what is earned meanwhile. A place that one which crashed
  // has left begins with nothing.
  const allowed = (places === undefined ? running + crashes : places + (timerLateMs / 1000) * rate) + misled;
  const problems = [
    ...found.slice(0, 1),
    ...(burst > allowed + slackCalls
      ? [`${burst.toFixed(2)} calls more than the rate allows, and not ${allowed}`]
      : []),
    ...(shares > 1 + slackShares ? [`shares of ${shares.toFixed(4)} in use at one time`] : []),
    ...(saves > slackCalls ? [`${saves.toFixed(2)} calls too many may be saved up`] : []),
    ...(isCalm && (made[0]?.atMs ?? 0) > longestStartMs ? [`the first call comes after ${made[0]?.atMs} ms`] : []),
    ...(isCalm && seconds > mostSeconds ? [`${seconds.toFixed(1)} s, and not ${mostSeconds.toFixed(1)}`] : []),
  ];
  return problems.length === 0 ? undefined : `Seed ${seed}: ${problems.join('; ')}. ${JSON.stringify(options)}`;
}

if (import.meta.main) {
  const { values } = parseArgs({
    options: { seeds: { type: 'string' }, from: { type: 'string' }, core: { type: 'string' } },
  });
  const core = await loadCore(values.core);
  const from = Number(values.from ?? 1);
  for (let seed = from; seed < from + Number(values.seeds ?? 400); seed += 1) {
    const problem = await tryRateWorld(core, seed);
    if (problem === undefined) continue;
    process.stdout.write(`${problem}\n`);
    process.exitCode = 1;
    break;
  }
}
