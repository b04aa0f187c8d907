/** Makes a failing schedule smaller: a smaller tree, and only the faults without which the promise would be kept. */
import type { Core } from './core.ts';
import type { FaultChoice } from './faults.ts';
import type { Size } from './model.ts';
import { defaultSize, runSchedule, type Verdict } from './schedule.ts';

export type Shrunk = { verdict: Verdict; size: Size; keep: string[]; tried: number };

/** More tries than this are not worth the wait; what is found by then is small enough to read. */
const maxTries = 2_000;

/** @returns undefined when the schedule breaks no promise */
export async function shrink(
  seed: number,
  core: Core,
  choice: FaultChoice = {},
  firstSize = defaultSize,
): Promise<Shrunk | undefined> {
  let tried = 0;
  const first = await runSchedule({ seed, core, choice, size: firstSize });
  const promise = first.violation?.promise;
  if (promise === undefined) return undefined;
  const attempt = async (ids: readonly string[], size: Size): Promise<Verdict | undefined> => {
    tried += 1;
    const verdict = await runSchedule({ seed, core, choice: { ...choice, only: new Set(ids) }, size });
    return verdict.violation?.promise === promise ? verdict : undefined;
  };

  let keep = idsOf(first);
  let size = firstSize;
  for (const smaller of smallerSizes(firstSize)) {
    const verdict = await runSchedule({ seed, core, choice, size: smaller });
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
  const verdict = await runSchedule({ seed, core, choice: { ...choice, only: new Set(keep) }, size, isTraced: true });
  return { verdict, size, keep, tried };
}

function idsOf({ injected }: Verdict): string[] {
  return [...new Set(injected.map(({ id }) => id))];
}

function* smallerSizes({ troops, warriors, groups }: Size): Generator<Size> {
  for (let sum = 3; sum < troops + warriors + groups; sum += 1)
    for (let t = 1; t <= troops; t += 1)
      for (let w = 1; w <= warriors; w += 1) {
        const g = sum - t - w;
        if (g >= 1 && g <= groups) yield { troops: t, warriors: w, groups: g };
      }
}
