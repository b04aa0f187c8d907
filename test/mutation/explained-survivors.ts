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
  {
    file: 'shared/engine/report/merged-listing.ts',
    rule: 'drop-await',
    was: 'await this.#pages.return?.().catch(() => undefined);',
    why: 'No page is under way by then: a listing that is told to end between two of them asks for nothing more.',
  },
  {
    file: 'shared/engine/report/merged-listing.ts',
    rule: 'drop-call',
    was: 'await this.#pages.return?.().catch(() => undefined);',
    why: 'A listing that is not turned any more asks for nothing: it waits between two pages, and is forgotten with the census that had it.',
  },
  {
    file: 'shared/engine/rate/earnings.ts',
    rule: 'shift-comparison',
    was: 'return earned >= 1 + more - slack || ms < momentMs ? 0 : ms;',
    now: 'return earned > 1 + more - slack || ms < momentMs ? 0 : ms;',
    why: 'What lacks exactly the slack is earned within a thousandth of a millisecond at a call a second: the other half of the condition lets it through.',
  },
  {
    file: 'shared/engine/item/expand.ts',
    rule: 'drop-call',
    was: 'await upcoming.catch(() => undefined);',
    why: 'A generator works off what it is asked in order: its return, which is waited for next, comes after the page that is under way.',
  },
  {
    file: 'shared/engine/item/expand.ts',
    rule: 'drop-await',
    was: 'await upcoming.catch(() => undefined);',
    why: 'The same: the return of the generator, which is waited for next, comes after the page that is under way.',
  },
  {
    file: 'shared/engine/item/child-objects.ts',
    rule: 'swap-statements',
    was: 'await (this.#listed ??= this.#readExisting());',
    why: 'Both are done before the next batch is cut, and what one of them finds the other passes over.',
  },
  {
    file: 'shared/engine/item/batch-fetch.ts',
    rule: 'drop-default',
    was: 'const sample = failures.find((failure) => failure.class === (kind ?? failure.class)) ?? failures[0];',
    now: 'const sample = failures.find((failure) => failure.class === (kind)) ?? failures[0];',
    why: 'Without a kind none is found, and the first one is taken: the same that is found otherwise.',
  },
  {
    file: 'shared/engine/rate/call-gate.ts',
    rule: 'shift-constant',
    was: 'calls += 1;',
    why: 'All that is decided by it is whether a call was made before; the number itself stands only in the text of an error.',
  },
  {
    file: 'shared/engine/report/census.ts',
    rule: 'shift-constant',
    was: 'yield* strays.splice(0);',
    now: 'yield* strays.splice(-1);',
    why: 'What is left is told of at the end, and the order of the findings says nothing.',
  },
  {
    file: 'shared/engine/recovery/lost-item.ts',
    rule: 'swap-statements',
    was: 'await writeFailureNote(level, note, store);',
    why: 'What trades places with the write are fields for the log.',
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
