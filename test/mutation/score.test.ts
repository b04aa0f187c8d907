/** What a run comes to: counts, explanations, and which sample is drawn. */
import { describe, expect, test } from '@jest/globals';
import type { Explanation } from './explained-survivors.ts';
import type { Mutant } from './mutants.ts';
import { shuffled } from './sample.ts';
import { isGoodEnough, scoreOf } from './score.ts';
import type { Trial, Verdict } from './trial.ts';

const mutant = (line: number, file = 'shared/engine/runs/seed.ts'): Mutant => ({
  ...{ id: `${file}:${line}:drop-call:1`, file, line, rule: 'drop-call', start: 0, end: 1, text: ';' },
  was: `call${line}();`,
  now: ';',
});

const killed: Verdict = { outcome: 'killed', by: 'a test' };
const hung: Verdict = { outcome: 'timeout', by: 'a test' };
const survived: Verdict = { outcome: 'survived' };
const trial = (line: number, unit: Verdict, simulation: Verdict): Trial => ({ mutant: mutant(line), unit, simulation });

const trials = [
  trial(1, killed, killed),
  trial(2, survived, killed),
  trial(3, killed, survived),
  trial(4, survived, hung),
  trial(5, survived, survived),
];
const mutants = trials.map(({ mutant: each }) => each);
const explanation = (line: number): Explanation => ({
  ...{ file: 'shared/engine/runs/seed.ts', rule: 'drop-call', was: `call${line}();` },
  why: 'it is the same',
});

describe('a score', () => {
  test('says who killed what; what has no end is killed', () => {
    const { total, folders, survivors } = scoreOf(trials, mutants, []);
    expect(total).toMatchObject({ mutants: 5, byBoth: 1, bySimulationAlone: 2, byUnitTestsAlone: 1, survivors: 1 });
    expect(total).toMatchObject({ together: 0.8, simulation: 0.6, unit: 0.4 });
    expect(Object.keys(folders)).toEqual(['shared/engine/runs']);
    expect(survivors.map(({ mutant: { line } }) => line)).toEqual([5]);
  });

  test('does not count a survivor that is explained', () => {
    const result = scoreOf(trials, mutants, [explanation(5)]);
    expect(result.total).toMatchObject({ mutants: 4, survivors: 0, together: 1, simulation: 0.75 });
    expect(result).toMatchObject({ explained: 1, refuted: [], obsolete: [] });
  });

  test('tells of an explained survivor that is killed, and is not good enough then', () => {
    const result = scoreOf(trials, mutants, [explanation(2)]);
    expect(result.refuted.map(({ trial: { mutant: each } }) => each.line)).toEqual([2]);
    expect(isGoodEnough(scoreOf(trials.slice(0, 2), mutants, [explanation(2)]))).toBe(false);
    expect(isGoodEnough(scoreOf(trials.slice(0, 2), mutants, []))).toBe(true);
  });

  test('tells of an explanation whose line does not exist any more', () => {
    const { obsolete } = scoreOf(trials, mutants, [explanation(6), explanation(5)]);
    expect(obsolete).toEqual([explanation(6)]);
  });

  test('tells changes of one line apart when the explanation does', () => {
    const exact = { ...explanation(5), now: 'else();' };
    expect(scoreOf(trials, mutants, [exact]).obsolete).toEqual([exact]);
    expect(scoreOf(trials, mutants, [{ ...exact, now: ';' }]).explained).toBe(1);
  });
});

describe('a sample', () => {
  const many = Array.from({ length: 50 }, (_, line) => mutant(line + 1));
  const names = (sample: readonly Mutant[]): string[] => sample.map(({ was }) => was);

  test('is the same for the same seed, and another for another', () => {
    expect(shuffled(many, 1)).toEqual(shuffled(many, 1));
    expect(names(shuffled(many, 1)).slice(0, 10)).not.toEqual(names(shuffled(many, 2)).slice(0, 10));
  });

  test('stays what it is when lines move, and loses only what changed', () => {
    const moved = many.map((each) => ({ ...each, line: each.line + 7, start: 99, id: `${each.id}-moved` }));
    expect(names(shuffled(moved, 1))).toEqual(names(shuffled(many, 1)));
    const without = many.filter(({ line }) => line !== 3);
    expect(names(shuffled(without, 1))).toEqual(names(shuffled(many, 1)).filter((was) => was !== 'call3();'));
  });

  test('holds each of several mutants that look the same', () => {
    const twice = [mutant(1), { ...mutant(1), line: 2 }];
    expect(
      shuffled(twice, 1)
        .map(({ line }) => line)
        .sort(),
    ).toEqual([1, 2]);
  });
});
