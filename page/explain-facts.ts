/** What the command and the page say of an item. Pure. */
import type { Explanation } from '../shared/engine/report/explain.ts';

/** Names and texts, in the order in which a person asks. */
export function factsOf(explanation: Explanation): [name: string, text: string][] {
  const { key, run, level, ids, state, meaning, parent, writtenAt, lineage, done, failure } = explanation;
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
    [done?.receipt === undefined ? 'result' : 'receipt', done && `${done.key}${resultNote(done.lineage)}`],
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

function resultNote(lineage: Readonly<Record<string, string>> | undefined): string {
  const at = lineage?.['fetched-at'];
  return at === undefined ? '' : `, fetched at ${at}`;
}
