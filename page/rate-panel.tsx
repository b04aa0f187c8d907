/** The rate of calls to the API, which is one for all runs, with its buttons. */
import { useSignal } from '@preact/signals';
import { ActionButton } from './action-button.tsx';
import { count, localTime, percent, perSecond } from './format.ts';
import { copy, rate } from './live.ts';
import type { RateUseView, RateView } from './wire.ts';

/** @param use what is used of the rate, when the deployment tells */
export function RatePanel({ use }: { use?: RateUseView | undefined }) {
  const wanted = useSignal('');
  const view = rate.value;
  if (view === undefined) return null;
  const number = Number(wanted.value);
  const isRate = wanted.value.trim() !== '' && number > 0 && Number.isFinite(number);
  return (
    <section aria-labelledby="rate" class="rate">
      <h2 id="rate">Calls to the API, of all runs</h2>
      <p>
        <RateWords view={view} /> {use !== undefined && useWords(use)} {waitingWords(view)}
      </p>
      {view.problem !== undefined && <p class="bad text">{view.problem}</p>}
      {copy === undefined && (
        <div class="buttons">
          {view.paused ? <ResumeButton /> : <PauseButton />}
          {view.deployed !== null && (
            <>
              <label>
                Calls a second{' '}
                <input
                  type="number"
                  min={view.minimumPerSecond}
                  step="any"
                  inputMode="decimal"
                  value={wanted.value}
                  onInput={({ currentTarget }) => (wanted.value = currentTarget.value)}
                />
              </label>
              {isRate && (
                <ActionButton
                  action={{
                    label: `Set the rate to ${number}`,
                    request: { action: 'rate', requestsPerSecond: number },
                    effect: `All runs together make at most ${number} calls a second, within ten seconds. A pause ends.`,
                    command: `npm run rate -- ${number}`,
                  }}
                />
              )}
              {!isAsDeployed(view) && <DefaultButton deployed={view.deployed} />}
            </>
          )}
        </div>
      )}
    </section>
  );
}

function isAsDeployed({ rate: set, deployed, auto }: RateView): boolean {
  return auto === undefined ? set === deployed : deployed === 'auto';
}

function RateWords({ view }: { view: RateView }) {
  const { rate: set, deployed, auto, paused, frozenUntil } = view;
  const words = set === null ? 'No limit is set' : `${perSecond(set)} a second`;
  const before = deployed === null ? '' : `; deployed with ${deployed === 'auto' ? 'auto' : perSecond(deployed)}`;
  const origin = isAsDeployed(view) ? ', as deployed' : before;
  return (
    <>
      {paused && <strong class="badge paused">paused</strong>}
      {frozenUntil !== undefined && (
        <strong class="badge frozen">the API ordered a wait until {localTime(frozenUntil)}</strong>
      )}
      {paused ? `After the pause: ${words.toLowerCase()}` : words}
      {auto !== undefined && ' (auto)'}
      {origin}.{auto !== undefined && autoWords(auto)}
    </>
  );
}

/** Where the rate `auto` has its number from. */
function autoWords({ told, mostPerSecond }: NonNullable<RateView['auto']>): string {
  if (told === undefined) return ' The API has told no limit that can be followed, so the rate stays where it begins.';
  const bound = told > mostPerSecond ? `; autoRateMost allows ${perSecond(mostPerSecond)}` : '';
  return ` The API says that it allows ${perSecond(told)} a second${bound}.`;
}

/** Why no more is used. A word that this page does not know is shown as it is. */
const whyWords: Readonly<Record<string, string>> = {
  paused: 'calls are paused',
  frozen: 'the API ordered a wait',
  idle: 'no function is at work',
  beginning: 'functions have just begun',
  'few-items': 'there is less to fetch than might be',
  'few-environments': 'Lambda has not started more environments',
  latency: 'all functions wait for the API',
};

function useWords({ perSecond: used, part, why, others }: RateUseView): string {
  const shared = others === undefined ? '' : `, and ${perSecond(others.perSecond)} by other stages that share the API`;
  const reason = why === undefined ? '' : `: ${whyWords[why] ?? why}`;
  return `Used: ${perSecond(used)} a second${shared}, ${percent(part, 1)} of what is allowed${reason}.`;
}

function waitingWords({ waiting = {} }: RateView): string {
  const levels = Object.entries(waiting).filter(([, items]) => items > 0);
  if (levels.length === 0) return '';
  return `Waiting: ${levels.map(([level, items]) => `${level} ${count(items)}`).join(', ')}.`;
}

function PauseButton() {
  const effect =
    'No run makes a call any more, within ten seconds. What is in progress is requeued, which counts as no attempt.';
  return (
    <ActionButton
      action={{ label: 'Pause all runs', request: { action: 'pause' }, effect, command: 'npm run rate -- pause' }}
    />
  );
}

function ResumeButton() {
  const effect = 'All runs make calls again, with the rate that held before. Items that wait are requeued.';
  return (
    <ActionButton
      isMain
      action={{ label: 'Resume all runs', request: { action: 'resume' }, effect, command: 'npm run rate -- resume' }}
    />
  );
}

function DefaultButton({ deployed }: { deployed: number | 'auto' }) {
  const rate = deployed === 'auto' ? 'what the API says that it allows' : `${deployed} calls a second`;
  const effect = `The rate is ${rate} again, as deployed.`;
  return (
    <ActionButton
      action={{ label: 'As deployed', request: { action: 'default' }, effect, command: 'npm run rate -- default' }}
    />
  );
}
