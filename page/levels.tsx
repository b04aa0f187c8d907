/** A bar for each level of the chain, with its numbers. */
import { Bar, type Part } from './bar.tsx';
import { count, percent } from './format.ts';
import type { Report } from './wire.ts';

type Level = Report['levels'][number];

export function Levels({ levels }: { levels: readonly Level[] }) {
  const columns: [Part, string][] = [
    ['done', 'done'],
    ['retrying', 'retrying'],
    ['dead', 'failed'],
    ['parked', 'parked'],
    ['open', 'open'],
    ['lost', 'lost'],
  ];
  return (
    <section aria-labelledby="levels">
      <h2 id="levels">Levels</h2>
      <div class="scroll" tabIndex={0} role="region" aria-label="Levels">
        <table class="levels">
          <thead>
            <tr>
              <th scope="col">Level</th>
              <th scope="col" class="number">
                Items
              </th>
              {columns.map(([part, name]) => (
                <th key={part} scope="col" class="number">
                  <span class={`key ${part}`} aria-hidden="true" /> {name}
                </th>
              ))}
            </tr>
          </thead>
          {levels.map((level) => (
            <Rows key={level.level} level={level} columns={columns.map(([part]) => part)} />
          ))}
        </table>
      </div>
    </section>
  );
}

function Rows({ level, columns }: { level: Level; columns: readonly Part[] }) {
  const parts = partsOf(level);
  return (
    <tbody>
      <tr>
        <th scope="row" class="text">
          {level.level} <span class="quiet">{percent(level.done, level.items)}</span>
        </th>
        <td class="number">{count(level.items)}</td>
        {columns.map((part) => (
          <td key={part} class={`number ${parts[part] === 0 && part !== 'done' ? 'quiet' : ''}`}>
            {count(parts[part])}
          </td>
        ))}
      </tr>
      <tr class="under">
        <td colSpan={columns.length + 2}>
          <Bar parts={parts} />
          {level.short > 0 && <p class="bad">{count(level.short)} with fewer children than the receipt counts</p>}
          {level.stray > 0 && <p class="bad">{count(level.stray)} objects under its prefix that are no items</p>}
        </td>
      </tr>
    </tbody>
  );
}

function partsOf({ done, failed, open, lost }: Level): Record<Part, number> {
  return { done, ...failed, open: Math.max(0, open - lost), lost };
}
