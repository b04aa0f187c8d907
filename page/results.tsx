/** The first results, read when a person opens them, and the commands to open the rest. */
import { useSignal } from '@preact/signals';
import { count } from './format.ts';
import { askResults, copy } from './live.ts';
import type { ResultsView } from './wire.ts';

export function Results({ run, isOver, isPublished }: { run: string; isOver: boolean; isPublished: boolean }) {
  const view = useSignal<ResultsView | undefined>(copy?.results);
  const load = async (): Promise<void> => {
    try {
      view.value = await askResults(run);
    } catch (error) {
      view.value = { columns: [], rows: [], texts: [], commands: [], problem: (error as Error).message };
    }
  };
  return (
    <section aria-labelledby="results">
      <h2 id="results">Result</h2>
      {isPublished && <p class="quiet">It is published: the first rows are shown in the columns of its table.</p>}
      {!isOver && <p class="quiet">The run is not complete: this is what is there so far.</p>}
      {copy === undefined && (
        <div class="buttons">
          <button type="button" onClick={() => void load()}>
            {view.value === undefined ? 'Show the first rows' : 'Read them again'}
          </button>
        </div>
      )}
      <div role="status">{view.value !== undefined && <Shown view={view.value} />}</div>
    </section>
  );
}

function Shown({ view: { columns, types, rows, texts, commands, problem, table } }: { view: ResultsView }) {
  return (
    <>
      {problem !== undefined && <p class="bad text">{problem}</p>}
      {problem === undefined && rows.length + texts.length === 0 && <p>There are no results yet.</p>}
      {table !== undefined && (
        <p>
          The first of {count(table.rows)} rows of the table <span class="text">{table.name}</span>:
        </p>
      )}
      {rows.length > 0 && (
        <div class="scroll" tabIndex={0} role="region" aria-label="First rows">
          <table class="rows">
            <thead>
              <tr>
                {columns.map((column) => (
                  <th key={column} scope="col" class="text">
                    {column}
                    {types?.[column] !== undefined && <span class="quiet"> {types[column]}</span>}
                  </th>
                ))}
              </tr>
            </thead>
            <tbody>
              {rows.map((row, index) => (
                <tr key={index}>
                  {columns.map((column) => (
                    <td key={column} class="text">
                      {row[column] ?? ''}
                    </td>
                  ))}
                </tr>
              ))}
            </tbody>
          </table>
        </div>
      )}
      {texts.map(({ key, text }) => (
        <div key={key}>
          <h3 class="text">{key}</h3>
          <pre class="text" tabIndex={0}>
            {text}
          </pre>
        </div>
      ))}
      {commands.length > 0 && <p>All of it:</p>}
      {commands.map((command) => (
        <p key={command} class="command">
          <code class="text">{command}</code>
        </p>
      ))}
    </>
  );
}
