/** What a person asks to have explained, and the answer in lines of text. */
import type { Explanation } from '../../shared/engine/report/explanation.ts';
import { factsOf } from '../../page/explain-facts.ts';
import { UsageError } from '../terminal/options.ts';
import { oneLine } from '../terminal/format.ts';

/**
 * A key; or ids from the top down: apart by spaces, or as a JSON list for those that have spaces or slashes.
 * @throws UsageError for a list that is none
 */
export function askedOf(text: string): string | string[] {
  const asked = text.trim();
  if (asked.startsWith('[')) return listOf(asked);
  return asked.includes('/') ? asked : asked.split(/\s+/).filter((id) => id !== '');
}

function listOf(text: string): string[] {
  try {
    const ids: unknown = JSON.parse(text);
    if (Array.isArray(ids) && ids.every((id) => typeof id === 'string' || typeof id === 'number'))
      return ids.map(String);
  } catch {
    // Reported below.
  }
  throw new UsageError('That is no JSON list of ids, such as ["a b", "c"].');
}

/** @param width no line is longer, in characters */
export function explanationPage(explanation: Explanation, width: number): string {
  const facts = factsOf(explanation);
  const widest = Math.max(...facts.map(([name]) => name.length));
  const room = Math.max(20, width - widest - 2);
  const lines = facts.map(([name, text]) => `${name.padEnd(widest)}  ${oneLine(text, room)}`);
  const { advice } = explanation;
  return `${[...lines, ...(advice === undefined ? [] : ['', advice])].join('\n')}\n`;
}
