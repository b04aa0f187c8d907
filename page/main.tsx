/** The page: all runs, or the one of its address. */
import { effect } from '@preact/signals';
import { render } from 'preact';
import { Outcomes, Question } from './action-button.tsx';
import { duration, localTime } from './format.ts';
import { ageSeconds, connection, copy, place, run, runName, seenMs, start } from './live.ts';
import { RunPage } from './run-page.tsx';
import { RunsPage, stateWords } from './runs-page.tsx';
import './style.css';

function Page() {
  return (
    <>
      <header>
        <nav aria-label="Pages">{copy === undefined ? <a href="/">s3-cascade</a> : <strong>s3-cascade</strong>}</nav>
        <p class="quiet text">{place.value === undefined ? '' : `${place.value.bucket}, ${place.value.place}`}</p>
        <Age />
      </header>
      <main>
        <Outcomes />
        {runName === undefined ? <RunsPage /> : <RunPage name={runName} />}
      </main>
      <Question />
    </>
  );
}

const lostWords: Readonly<Record<typeof connection.value, string>> = {
  connecting: 'Connecting …',
  live: '',
  copy: '',
  lost: 'The page server does not answer: is npm run page still running?',
  refused: 'The page server was started anew. Open the address that it printed.',
};

/** How old the figures are: said always, and loudly when they do not get younger. */
function Age() {
  const lost = lostWords[connection.value];
  return (
    <p class="age">
      {lost !== '' && <strong class={connection.value === 'connecting' ? 'quiet' : 'bad'}>{lost} </strong>}
      <AgeWords />
    </p>
  );
}

function AgeWords() {
  if (seenMs.value === undefined) return null;
  if (copy !== undefined) return <>A copy, with the figures of {localTime(copy.at)}.</>;
  const age = ageSeconds.value ?? 0;
  if (runName !== undefined && run.value?.state === 'complete' && age >= 100)
    return <>Figures of {localTime(new Date(seenMs.value).toISOString())}.</>;
  return <>Figures of {age < 2 ? 'just now' : `${duration(age)} ago`}.</>;
}

effect(() => {
  const state = run.value === undefined ? '' : ` ${stateWords[run.value.state]}`;
  document.title = runName === undefined ? 's3-cascade runs' : `${runName}${state} – s3-cascade`;
});

const root = document.getElementById('page');
if (root !== null) render(<Page />, root);
start();
