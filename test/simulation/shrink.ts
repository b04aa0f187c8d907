/** Makes a failing schedule smaller: a smaller tree, and only the faults without which the promise would be kept. */
import { drawChain, type ChainChoice, type Size } from './chain-plan.ts';
import type { Core } from './core.ts';
import { Faults, type FaultChoice } from './faults.ts';
import { runSchedule, type Verdict } from './schedule.ts';

export type Shrunk = { verdict: Verdict; size: Size; keep: string[]; tried: number };

/** More tries than this are not worth the wait; what is found by then is small enough to read. */
const maxTries = 2_000;

/** @returns undefined when the schedule breaks no promise */
export async function shrink(
  seed: number,
  core: Core,
  choice: FaultChoice = {},
  chain: ChainChoice = {},
): Promise<Shrunk | undefined> {
  const firstSize = drawChain(new Faults(seed, () => 0, choice), chain).size;
  let tried = 0;
  const first = await runSchedule({ seed, core, choice, chain });
  const promise = first.violation?.promise;
  if (promise === undefined) return undefined;
  const attempt = async (ids: readonly string[], size: Size): Promise<Verdict | undefined> => {
    tried += 1;
    const verdict = await runSchedule({
      seed,
      core,
      choice: { ...choice, only: new Set(ids) },
      chain: { ...chain, size },
    });
    return verdict.violation?.promise === promise ? verdict : undefined;
  };

  let keep = idsOf(first);
  let size = firstSize;
  for (const smaller of smallerSizes(firstSize)) {
    const verdict = await runSchedule({ seed, core, choice, chain: { ...chain, size: smaller } });
    tried += 1;
    if (verdict.violation?.promise !== promise) continue;
    [size, keep] = [smaller, idsOf(verdict)];
    break;
  }
  // Delta debugging: leave ever smaller parts out, as long as the promise is broken all the same.
  for (let parts = 2; keep.length > 0 && tried < maxTries;) {
    const length = Math.ceil(keep.length / parts);
    let isSmaller = false;
    for (let start = 0; start < keep.length && tried < maxTries; start += length) {
      const rest = [...keep.slice(0, start), ...keep.slice(start + length)];
      const verdict = await attempt(rest, size);
      if (verdict === undefined) continue;
      const struck = new Set(idsOf(verdict));
      keep = rest.filter((id) => struck.has(id));
      isSmaller = true;
      break;
    }
    if (isSmaller) parts = Math.max(2, parts - 1);
    else if (length === 1) break;
    else parts = Math.min(keep.length, parts * 2);
  }
  const verdict = await runSchedule({
    seed,
    core,
    choice: { ...choice, only: new Set(keep) },
    chain: { ...chain, size },
    isTraced: true,
  });
  return { verdict, size, keep, tried };
}

function idsOf({ injected }: Verdict): string[] {
  return [...new Set(injected.map(({ id }) => id))];
}

/** The smallest first. */
function* smallerSizes(size: Size): Generator<Size> {
  const sum = (numbers: Size): number => numbers.reduce((all, one) => all + one, 0);
  yield* [...sizesUpTo(size)].sort((a, b) => sum(a) - sum(b)).slice(0, -1);
}

function* sizesUpTo([first, ...rest]: Size): Generator<Size> {
  if (first === undefined) {
    yield [];
    return;
  }
  for (let most = 1; most <= first; most += 1) for (const others of sizesUpTo(rest)) yield [most, ...others];
}
