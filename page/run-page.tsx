/** One run: how it stands, why items failed, what it costs, and what can be done. */
import { ActionButton } from './action-button.tsx';
import { Chart } from './chart.tsx';
import { ExplainBox } from './explain-box.tsx';
import { Failures } from './failures.tsx';
import { count, dollars, duration, factsIn, localTime, percent } from './format.ts';
import { Levels } from './levels.tsx';
import { copy, nowMs, run } from './live.ts';
import { RatePanel } from './rate-panel.tsx';
import { Results } from './results.tsx';
import { stateWords } from './runs-page.tsx';
import type { Report, RunView } from './wire.ts';

export function RunPage({ name }: { name: string }) {
  const view = run.value;
  if (view === undefined) return <p>The run {name} is being counted …</p>;
  const { report, problem } = view;
  return (
    <>
      <Heading view={view} />
      {problem !== undefined && (
        <p class="bad text" role="alert">
          {problem}
        </p>
      )}
      {report?.problem !== undefined && (
        <p class="bad text">
          The sweep of {localTime(report.problem.at)} failed: {report.problem.code}: {report.problem.message}
        </p>
      )}
      {report !== undefined && (
        <>
          <Levels levels={report.levels} />
          <Chart timeline={view.timeline} />
          <RatePanel />
          <Failures run={name} report={report} />
          <Published report={report} />
          <Results run={name} isOver={view.state === 'complete'} />
        </>
      )}
      {copy === undefined && <ExplainBox />}
      <StartedWith view={view} />
    </>
  );
}

function Heading({ view }: { view: RunView }) {
  const { run: name, state, report, startedAt, endedAt, cost } = view;
  const sum = (of: (level: Report['levels'][number]) => number): number =>
    (report?.levels ?? []).reduce((all, level) => all + of(level), 0);
  const [items, done] = [sum(({ items }) => items), sum(({ done }) => done)];
  return (
    <section aria-labelledby="run">
      <h1 id="run">
        {name} <span class={`badge ${state}`}>{stateWords[state]}</span>
      </h1>
      {report !== undefined && (
        <dl class="facts">
          <Fact name="Done" text={`${count(done)} of ${count(items)} items (${percent(done, items)})`} />
          <Fact name="Calls" text={count(report.apiCalls)} />
          {startedAt !== undefined && <Fact name="Started" text={localTime(startedAt)} />}
          {startedAt !== undefined && <Took startedAt={startedAt} endedAt={endedAt} />}
          {report.secondsLeft !== undefined && state === 'open' && (
            <Fact name="Left" text={`about ${duration(report.secondsLeft)}, for the items known now`} />
          )}
          {cost !== undefined && (
            <Fact
              name="Cost on AWS"
              text={
                state === 'complete'
                  ? `about ${dollars(cost.soFar)}`
                  : `about ${dollars(cost.soFar)} so far, ${dollars(cost.expected)} for the items known now`
              }
            />
          )}
        </dl>
      )}
      <div class="buttons">
        <ActionButton
          action={{
            label: 'Sweep now',
            request: { action: 'sweep', run: name },
            effect:
              'The run is counted, lost items are given to their function again, and a complete run is marked so. By itself it is swept every 15 minutes.',
            command: `npx sls invoke -f sweep -d '{"run":"${name}"}'`,
          }}
        />
      </div>
    </section>
  );
}

function Fact({ name, text }: { name: string; text: string }) {
  return (
    <div>
      <dt>{name}</dt>
      <dd class="text">{text}</dd>
    </div>
  );
}

/** Of its own, so that the second that passes changes this fact only. */
function Took({ startedAt, endedAt }: { startedAt: string; endedAt: string | undefined }) {
  const endMs = endedAt === undefined ? nowMs.value : Date.parse(endedAt);
  return <Fact name="Took" text={duration(Math.max(0, (endMs - Date.parse(startedAt)) / 1000))} />;
}

/** What a deployment that publishes tables tells of them, in whatever words it has. */
function Published({ report: { published, drift } }: { report: Report }) {
  const facts = [...factsIn(published, 'tables'), ...factsIn(drift, 'schema drift')];
  if (facts.length === 0) return null;
  return (
    <section aria-labelledby="published">
      <h2 id="published">Published</h2>
      <dl class="facts">
        {facts.map(([name, text]) => (
          <Fact key={name} name={name} text={text} />
        ))}
      </dl>
    </section>
  );
}

function StartedWith({ view: { seed, params } }: { view: RunView }) {
  if (seed === undefined) return null;
  return (
    <section aria-labelledby="seed">
      <h2 id="seed">Started with</h2>
      <h3>Seed</h3>
      <pre class="text" tabIndex={0}>
        {seed}
      </pre>
      {params !== undefined && (
        <>
          <h3>Parameters, as they were fixed</h3>
          <pre class="text" tabIndex={0}>
            {params}
          </pre>
        </>
      )}
    </section>
  );
}
