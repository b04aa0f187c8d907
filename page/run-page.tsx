/** One run: how it stands, why items failed, what it costs, and what can be done. */
import { describeDrift } from '../shared/engine/publish/drift.ts';
import { ActionButton } from './action-button.tsx';
import { Chart } from './chart.tsx';
import { ExplainBox } from './explain-box.tsx';
import { Failures } from './failures.tsx';
import { count, dollars, duration, localTime, percent, plural, size } from './format.ts';
import { Levels } from './levels.tsx';
import { copy, nowMs, run } from './live.ts';
import { RatePanel } from './rate-panel.tsx';
import { Results } from './results.tsx';
import { wishWords, type RunWish } from './run-words.ts';
import { stateWords } from './runs-page.tsx';
import type { Report, RunState, RunView } from './wire.ts';

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
          <RatePanel use={report.rate?.use} />
          <Failures run={name} report={report} />
          <Published report={report} />
          <Results
            run={name}
            isOver={view.state === 'complete'}
            isPublished={report.published?.state === 'published'}
          />
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
      {report?.control !== undefined && state !== 'complete' && <StoppedSince control={report.control} />}
      <div class="buttons">
        <StopButtons name={name} state={state} />
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

function StoppedSince({ control: { state, at, reason } }: { control: NonNullable<Report['control']> }) {
  return (
    <p class="text">
      It is {state} since {localTime(at)}
      {reason === undefined ? '' : `: ${reason}`}. No call is made for it.
    </p>
  );
}

/** Of a run that is not over, and not of the others: the rate's own pause stops all. */
function StopButtons({ name, state }: { name: string; state: RunState }) {
  const buttonOf = (wish: RunWish, isMain = false) => (
    <ActionButton
      isMain={isMain}
      action={{
        label: `${wish.charAt(0).toUpperCase()}${wish.slice(1)} this run`,
        request: { action: `${wish}-run`, run: name },
        effect: wishWords[wish],
        command: `npm run run -- ${wish} --run ${name}`,
        dismiss: 'Back',
      }}
    />
  );
  if (state === 'complete' || state === 'unknown') return null;
  const isStopped = state === 'paused' || state === 'cancelled';
  return (
    <>
      {isStopped ? buttonOf('resume', true) : buttonOf('pause')}
      {state !== 'cancelled' && buttonOf('cancel')}
    </>
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

const publishWords: Record<NonNullable<Report['published']>['state'], string> = {
  waiting: 'Its tables are not published yet.',
  publishing: 'Its tables are being published.',
  published: 'Its tables are published.',
  outdated: 'Its tables hold the run as it was when it was last complete.',
  failed: 'Publishing has failed. Correct the cause, then replay the levels publish and publish_piece.',
};

/** The tables of the run, and what is another about their columns than in the run before. */
function Published({ report: { published } }: { report: Report }) {
  if (published === undefined) return null;
  const { state, tables, problem } = published;
  return (
    <section aria-labelledby="published">
      <h2 id="published">Tables</h2>
      <p class={state === 'failed' ? 'bad' : ''}>{publishWords[state]}</p>
      {problem !== undefined && (
        <p class="bad text">
          {problem.code}: {problem.message} (<code>{problem.key}</code>)
        </p>
      )}
      <dl class="facts">
        {tables.map(({ table, rows, bytes, parts, drift }) => (
          <Fact
            key={table}
            name={`tables/${table}`}
            text={`${plural(rows, 'row')} in ${plural(parts, 'file')}, ${size(bytes)}${driftWords(drift)}`}
          />
        ))}
      </dl>
    </section>
  );
}

function driftWords(drift: NonNullable<Report['published']>['tables'][number]['drift']): string {
  if (drift === undefined) return '';
  return `; columns ${describeDrift(drift) ?? `as in ${drift.against}`}`;
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
