/** What pictures of a run are made of: ASCII, without colours, so that any terminal and any log shows them. Pure. */
import { failureKeyOfItem } from '../../shared/engine/chain/keys.ts';
import type { RunReason } from '../../shared/engine/report/run-report.ts';
import { count, oneLine, plural } from './format.ts';

/**
 * `[######x...]`: done, failed, neither. It is full only when everything is done, and one failure among a million shows.
 * @param width of the whole, brackets and all
 */
export function bar({ items, done, failed }: { items: number; done: number; failed: number }, width: number): string {
  const room = Math.max(1, width - 2);
  const share = (part: number): number => (items > 0 ? Math.floor((Math.min(part, items) / items) * room) : 0);
  const crosses = failed > 0 ? Math.max(1, share(failed)) : 0;
  const marks = Math.min(share(done), room - crosses);
  return `[${'#'.repeat(marks)}${'x'.repeat(crosses)}${'.'.repeat(room - crosses - marks)}]`;
}

export type Reason = { level: string; code: string; count: number; message: string; sampleKey: string };

/** With the key of a failure note, which says more than its item. */
export function reasonsOf(reasons: readonly RunReason[]): Reason[] {
  return reasons.map(({ level, code, count: times, sample: { key, message } }) => ({
    level,
    code,
    message,
    count: times,
    sampleKey: failureKeyOfItem({ name: level }, key),
  }));
}

const mostReasons = 5;

/** Why items failed. @param width no line is longer, in characters */
export function reasonLines(reasons: readonly Reason[], width: number): string[] {
  if (reasons.length === 0) return [];
  const lines = reasons
    .slice(0, mostReasons)
    .flatMap(({ level, code, message, count: times, sampleKey }) => [
      oneLine(`${count(times)} x ${code} at level ${level}: ${message}`, width - 2),
      `    for one: ${oneLine(sampleKey, width - 15)}`,
    ]);
  const rest = reasons.length - mostReasons;
  if (rest > 0) lines.push(`and ${plural(rest, 'other reason')}`);
  return ['Why, the most frequent first:', ...lines.map((line) => `  ${line}`)];
}
