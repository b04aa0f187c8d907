/** Whether a report counts what is there: items and results, and not the objects that hold them. */
import type { LevelReport } from '../../shared/engine/report/run-report.ts';
import type { Checker } from './checker.ts';
import type { Node } from './model.ts';

/** @param nodes of all runs @returns what is wrong with a report of a run that nothing works on */
export function wrongCounts(
  levels: readonly LevelReport[],
  checker: Checker,
  nodes: readonly Node[],
  run: string,
): string[] {
  const { ledger, batches } = checker;
  return levels.flatMap(({ level, items, done, failed, open }) => {
    const there = nodes.filter((node) => node.run === run && node.level === level && ledger.isThere(node));
    const stored = there.filter((node) => ledger.state(node).doneSinceMs !== undefined);
    const refused = there.filter((node) => !stored.includes(node) && batches.refusalOf(node) !== undefined);
    const dead = failed.retrying + failed.dead + failed.parked;
    const isRight =
      items === there.length && done === stored.length && dead + open === items - done && dead >= refused.length;
    return isRight
      ? []
      : [
          `the report of ${run} counts ${items} items of ${level}, ${done} done, ${dead} failed, ${open} open; there are ${there.length}, ${stored.length} done, of ${refused.length} the notes say that they failed`,
        ];
  });
}
