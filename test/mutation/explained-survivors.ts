/**
 * Mutants that nothing can kill, each with the reason why it makes no difference. One is known by its file, its line as it
 * stands there and its rule, so that it is found again when lines move. One that is killed, or is not there any more, is told of.
 */
import type { Mutant, RuleName } from './mutants.ts';

export type Explanation = {
  file: string;
  rule: RuleName;
  /** The line before the change, without its indent; of several lines the first. */
  was: string;
  /** The line after it. Absent: every change of the rule in this line. */
  now?: string;
  why: string;
};

export const explainedSurvivors: readonly Explanation[] = [
  {
    file: 'shared/engine/report/merged-listing.ts',
    rule: 'drop-assignment',
    was: 'this.#upcoming = undefined;',
    why: 'A listing at its end is never turned again. What is kept of it is a promise that has settled, and closing waits for it in vain.',
  },
  {
    file: 'shared/engine/report/merged-listing.ts',
    rule: 'swap-statements',
    was: 'await this.#upcoming?.catch(() => undefined);',
    why: 'A generator works off what it is asked in order: its return comes after the page that is under way, whichever is waited for first.',
  },
];

const firstLine = (lines: string): string => lines.split('\n')[0] ?? '';

export function isExplainedBy({ file, rule, was, now }: Mutant, explanation: Explanation): boolean {
  return (
    explanation.file === file &&
    explanation.rule === rule &&
    (explanation.was === firstLine(was) || explanation.was === was) &&
    (explanation.now === undefined || explanation.now === firstLine(now) || explanation.now === now)
  );
}

export function explanationOf(mutant: Mutant, explanations = explainedSurvivors): Explanation | undefined {
  return explanations.find((explanation) => isExplainedBy(mutant, explanation));
}
