/** The live lines: one a level, on stderr, on a terminal only. */
import { createLogUpdate } from 'log-update';
import { bar } from '../terminal/drawing.ts';
import { count } from '../terminal/format.ts';
import type { LevelTally } from './tally.ts';

export type Progress = {
  /** A line above the levels, e.g. what is being waited for. */
  say: (line: string) => void;
  /** Shows the levels from now on. */
  watch: (levels: () => LevelTally[]) => void;
  /** Leaves the last picture, or nothing, on the screen. */
  end: () => void;
};

const everyMs = 200;
/** Rates are taken over so long: long enough to be steady, short enough to show a stall. */
const rateWindowMs = 2_000;

/** With it a line has 78 characters at the widest level's name. */
const barWidth = 12;

/** @param stream quiet when it is no terminal */
export function startProgress(stream: NodeJS.WriteStream): Progress {
  if (!stream.isTTY) return { say: () => undefined, watch: () => undefined, end: () => undefined };
  const update = createLogUpdate(stream);
  const samples: { atMs: number; done: number[] }[] = [];
  let headline = '';
  let levels: (() => LevelTally[]) | undefined;
  const draw = (): void => {
    const now = levels?.() ?? [];
    const atMs = performance.now();
    samples.push({ atMs, done: now.map(({ done }) => done) });
    while ((samples[1]?.atMs ?? atMs) < atMs - rateWindowMs) samples.shift();
    update([headline, ...progressLines(now, samples[0], atMs)].filter((line) => line !== '').join('\n'));
  };
  const timer = setInterval(draw, everyMs);
  timer.unref();
  return {
    say(line) {
      headline = line;
      draw();
    },
    watch(read) {
      levels = read;
      samples.length = 0;
      draw();
    },
    end() {
      clearInterval(timer);
      update.clear();
      update.done();
    },
  };
}

/** Pure: the lines of a moment, given an earlier one to take the rates from. */
export function progressLines(
  levels: readonly LevelTally[],
  before: { atMs: number; done: readonly number[] } | undefined,
  atMs: number,
): string[] {
  const width = Math.max(0, ...levels.map(({ level }) => level.length));
  return levels.map(({ level, items, done, failed }, at) => {
    const elapsedMs = before === undefined ? 0 : atMs - before.atMs;
    const perSecond = elapsedMs > 0 ? ((done - (before?.done[at] ?? 0)) * 1000) / elapsedMs : 0;
    const numbers = [
      `${count(items).padStart(9)} items`,
      `${count(done).padStart(9)} done`,
      `${count(failed).padStart(7)} failed`,
      `${count(Math.round(perSecond)).padStart(7)}/s`,
    ];
    return `  ${level.padEnd(width)} ${bar({ items, done, failed }, barWidth)}${numbers.join('')}`;
  });
}
