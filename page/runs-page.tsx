/** All runs, the newest first. */
import { useSignal } from '@preact/signals';
import { Bar } from './bar.tsx';
import { count, dollars, duration, localTime, percent } from './format.ts';
import { nowMs, runs } from './live.ts';
import { RatePanel } from './rate-panel.tsx';
import type { RunRow, RunState } from './wire.ts';

/** More are shown when a person asks for them. */
const firstRows = 200;

export function RunsPage() {
  const filter = useSignal('');
  const shown = useSignal(firstRows);
  const view = runs.value;
  if (view === undefined) return <p>The runs are being listed …</p>;
  const wanted = view.runs.filter(({ run, state }) => `${run} ${stateWords[state]}`.includes(filter.value.trim()));
  return (
    <>
      {view.problem !== undefined && <p class="bad text">{view.problem}</p>}
      <section aria-labelledby="runs">
        <h1 id="runs">Runs</h1>
        {view.runs.length === 0 ? (
          <p>
            There are no runs. A seed starts one:{' '}
            <code>echo '&#123;&#125;' | aws s3 cp - s3://$BUCKET/seeds/first.json</code>
          </p>
        ) : (
          <>
            <p>
              <label>
                Show those with{' '}
                <input
                  type="search"
                  value={filter.value}
                  onInput={({ currentTarget }) => (filter.value = currentTarget.value)}
                />
              </label>{' '}
              {count(wanted.length)} of {count(view.runs.length)}
            </p>
            <RunsTable rows={wanted.slice(0, shown.value)} />
            {wanted.length > shown.value && (
              <button type="button" onClick={() => (shown.value = Infinity)}>
                Show all {count(wanted.length)}
              </button>
            )}
          </>
        )}
      </section>
      <RatePanel />
    </>
  );
}

export const stateWords: Readonly<Record<RunState, string>> = {
  complete: 'complete',
  failed: 'failed',
  open: 'open',
  paused: 'paused',
  cancelled: 'cancelled',
  unknown: 'not counted yet',
};

function RunsTable({ rows }: { rows: readonly RunRow[] }) {
  const showsPublished = rows.some(({ published }) => published !== undefined);
  return (
    <div class="scroll" tabIndex={0} role="region" aria-label="Runs">
      <table>
        <thead>
          <tr>
            <th scope="col">Run</th>
            <th scope="col">State</th>
            <th scope="col">Done</th>
            <th scope="col" class="number">
              Failed
            </th>
            <th scope="col" class="number wide">
              Calls
            </th>
            <th scope="col" class="wide">
              Started
            </th>
            <th scope="col" class="number wide">
              Took
            </th>
            <th scope="col" class="number wide">
              Cost
            </th>
            {showsPublished && (
              <th scope="col" class="wide">
                Published
              </th>
            )}
          </tr>
        </thead>
        <tbody>
          {rows.map((row) => (
            <Row key={row.run} row={row} showsPublished={showsPublished} />
          ))}
        </tbody>
      </table>
    </div>
  );
}

function Row({ row, showsPublished }: { row: RunRow; showsPublished: boolean }) {
  const { run, state, items, done, failed, apiCalls, startedAt, endedAt, usd, published, problem } = row;
  return (
    <tr>
      <th scope="row">
        <a href={`/runs/${run}`}>{run}</a>
      </th>
      <td>
        <span class={`badge ${state}`}>{stateWords[state]}</span>
        {problem !== undefined && <span class="bad"> {problem}</span>}
      </td>
      <td>
        {items !== undefined && done !== undefined && (
          <>
            <Bar parts={{ done, dead: failed ?? 0, open: Math.max(0, items - done - (failed ?? 0)) }} isSmall />
            {count(done)} of {count(items)} ({percent(done, items)})
          </>
        )}
      </td>
      <td class="number">{failed === undefined ? '' : count(failed)}</td>
      <td class="number wide">{apiCalls === undefined ? '' : count(apiCalls)}</td>
      <td class="wide">{localTime(startedAt)}</td>
      <td class="number wide">
        {endedAt === undefined ? <Elapsed since={startedAt} /> : duration(secondsBetween(startedAt, endedAt))}
      </td>
      <td class="number wide">{usd === undefined ? '' : dollars(usd)}</td>
      {showsPublished && <td class="wide">{published === undefined ? '' : published ? 'yes' : 'no'}</td>}
    </tr>
  );
}

/** Of its own, so that the second that passes changes this cell only. */
function Elapsed({ since }: { since: string }) {
  return <>{duration(Math.max(0, (nowMs.value - Date.parse(since)) / 1000))}</>;
}

function secondsBetween(from: string, to: string): number {
  return Math.max(0, (Date.parse(to) - Date.parse(from)) / 1000);
}
