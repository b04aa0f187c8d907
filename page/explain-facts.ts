/** What the command and the page say of an item. Pure. */
import type { BatchFacts, Explanation } from '../shared/engine/report/explanation.ts';

/** Names and texts, in the order in which a person asks. */
export function factsOf(explanation: Explanation): [name: string, text: string][] {
  const { key, run, level, ids, state, meaning, parent, writtenAt, lineage, done, failure, batch } = explanation;
  const facts: [string, string | undefined][] = [
    ['state', `${state}: ${meaning}`],
    ['key', key],
    ['item', `${level} of run ${run}${ids.map(({ name, id }) => `, ${name} ${JSON.stringify(id)}`).join('')}`],
    ['parent', parent && `${parent.key} (${parent.state})`],
    [
      'written',
      writtenAt &&
        `${writtenAt}${lineage?.['attempt'] === undefined ? '' : `, by attempt ${lineage['attempt']} of its parent`}`,
    ],
    ...(batch === undefined ? [] : batchFacts(batch)),
    [
      done?.receipt === undefined ? 'result' : 'receipt',
      done && `${done.key}${done.line === undefined ? '' : `, line ${done.line}`}${resultNote(done.lineage)}`,
    ],
    ['failure', failure && `${failure.code}: ${failure.message}`],
    [
      'attempts',
      failure &&
        `${failure.attempts}, ${failure.replays} replays, ${failure.refires} re-fires; the last at ${failure.at}`,
    ],
    ['request', failure?.requestId === '' ? undefined : failure?.requestId],
  ];
  return facts.filter((fact): fact is [string, string] => fact[1] !== undefined);
}

/** Of more, the command lists the bucket. */
const shownParts = 5;

function batchFacts({
  number,
  items,
  done,
  failed,
  parts,
  failures,
  suspects,
}: BatchFacts): [string, string | undefined][] {
  const isolated = suspects === 0 ? '' : `, ${suspects} suspected of stopping the function`;
  const shown = parts.slice(0, shownParts).map(({ key, items: held }) => `${key} (${held})`);
  const more = parts.length > shownParts ? `, and ${parts.length - shownParts} more` : '';
  return [
    ['batch', `number ${number} of its parent: ${done} of ${items} items done, ${failed} failed${isolated}`],
    ['parts', parts.length === 0 ? undefined : `${shown.join(', ')}${more}`],
    ...failures.map(({ id, code, message, attempts }): [string, string] => [
      'failed item',
      `${JSON.stringify(id)}, after ${attempts} attempts: ${code}: ${message}`,
    ]),
    [
      'failed items',
      failures.length > 0 && failed > failures.length ? `and ${failed - failures.length} more` : undefined,
    ],
  ];
}

function resultNote(lineage: Readonly<Record<string, string>> | undefined): string {
  const at = lineage?.['fetched-at'];
  return at === undefined ? '' : `, fetched at ${at}`;
}
