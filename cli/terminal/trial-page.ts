/** One call of a level, for a person. Pure. */
import { isBatched, type Level } from '../../shared/engine/chain/chain.ts';
import type { Trial, TrialCall } from '../run/trial.ts';
import type { Explained } from '../run/answer-hints.ts';
import { count, oneLine, plural, table } from './format.ts';

const mostChildren = 5;
const mostItemChars = 100;

/** @param next what the person can type to make a call of the level below, given an id */
export function trialPage(trial: Trial, level: Level, next: (firstId: string) => string | undefined): string {
  const blocks = [
    trial.calls.map(callLine),
    verdict(trial, level),
    explanation(trial.explained, trial.problem !== undefined),
    isUnderstood(trial) ? [] : excerpt(trial.calls.at(-1)),
    follow(trial, next),
  ];
  return `${blocks
    .filter((lines) => lines.length > 0)
    .map((lines) => lines.join('\n'))
    .join('\n\n')}\n`;
}

/** The chain made of the answer what it should. */
export function isUnderstood({ problem, explained }: Trial): boolean {
  return problem === undefined && explained.every(({ isRight }) => isRight);
}

function callLine({ call, status, contentType, sizeBytes, elapsedMs }: TrialCall): string {
  return `${call}\n  ${status}, ${contentType ?? 'no content type'}, ${count(sizeBytes)} bytes, ${count(elapsedMs)} ms`;
}

function stored(level: Level): string {
  return isBatched(level) ? `as a line of newline-delimited JSON, up to ${level.batch} an object` : 'as they are';
}

function verdict({ kind, children = [], nextPage, result, problem }: Trial, level: Level): string[] {
  if (problem !== undefined) return [`NOT understood: ${problem.code}`, `  ${problem.message}`];
  if (kind === 'result')
    return [
      `The result: ${count(result?.sizeBytes ?? 0)} bytes of ${result?.contentType ?? ''}, stored ${stored(level)}.`,
    ];
  const lines = [
    `${plural(children.length, 'item')} under ${level.writes}/ on the first page${children.length > 0 ? ':' : '.'}`,
    ...table(
      ['', ''],
      children.slice(0, mostChildren).map(({ id, item }) => [`  ${oneLine(id, 60)}`, oneLine(item, mostItemChars)]),
    ).slice(1),
  ];
  if (children.length > mostChildren) lines.push(`  and ${count(children.length - mostChildren)} more`);
  if (nextPage === null) lines.push('Next page: none, this is the last one.');
  else if (nextPage !== undefined) lines.push(`Next page: ${oneLine(nextPage, 160)}`);
  return lines;
}

function explanation(explained: readonly Explained[], isWrong: boolean): string[] {
  const shown = isWrong ? explained : explained.filter(({ isRight }) => !isRight);
  return shown.flatMap(({ field, path, found, isRight, instead }) => [
    `${isRight ? 'ok' : '??'} ${field}: '${path}' → ${found}`,
    ...(instead.length > 0 ? [`   there is instead: ${instead.join('; ')}`] : []),
  ]);
}

function excerpt(call: TrialCall | undefined): string[] {
  return call === undefined || call.excerpt === '' ? [] : ['The answer begins:', `  ${call.excerpt}`];
}

function follow({ children = [] }: Trial, next: (firstId: string) => string | undefined): string[] {
  const [first] = children;
  const line = first === undefined ? undefined : next(first.id);
  return line === undefined ? [] : ['The level below:', `  ${line}`];
}
