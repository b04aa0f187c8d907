/** How a run's publication stands, for the page of its status. Pure. */
import { describeDrift } from '../../shared/engine/publish/drift.ts';
import type { PublishStatus } from '../../shared/engine/publish/publish-status.ts';
import { oneLine, plural } from './format.ts';

/** @param width no line is longer, in characters */
export function publishLines(published: PublishStatus | undefined, width: number): string[] {
  if (published === undefined) return [];
  const { state, tables, problem } = published;
  if (state === 'failed')
    return [
      `Publishing has FAILED: ${problem?.code ?? 'unknown'}`,
      `  ${oneLine(problem?.message ?? '', width - 2)}`,
      'Correct it, then replay: publish and publish_piece are levels like the others.',
    ];
  const headline = {
    waiting: 'Its tables are not published yet.',
    publishing: 'Its tables are being published.',
    outdated: 'Its tables hold the run as it was when it was last complete.',
    published: 'Its tables are published:',
  }[state];
  return [
    headline,
    ...tables.map(({ table, rows, parts }) => `  tables/${table}: ${plural(rows, 'row')} in ${plural(parts, 'file')}`),
    ...tables.flatMap(({ table, drift }) => {
      const text = drift && describeDrift(drift);
      return text === undefined
        ? []
        : [`  tables/${table}: columns changed ${oneLine(text, width - table.length - 28)}`];
    }),
  ];
}
