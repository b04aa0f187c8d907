/** Why items failed: a group for each level and reason, with one of its items as a sample. Never a list of items. */
import { ActionButton, type Action } from './action-button.tsx';
import { count, localTime, plural } from './format.ts';
import type { ActionRequest, Report } from './wire.ts';

type Reason = Report['reasons'][number];

export function Failures({ run, report: { reasons, levels } }: { run: string; report: Report }) {
  const failed = levels.reduce((all, { failed: { dead, retrying } }) => all + dead + retrying, 0);
  if (reasons.length === 0) return null;
  return (
    <section aria-labelledby="failures">
      <h2 id="failures">Failures</h2>
      {reasons.map((reason) => (
        <Group key={`${reason.level} ${reason.code}`} run={run} reason={reason} />
      ))}
      {failed > 0 && reasons.length > 1 && (
        <div class="buttons">
          <ActionButton action={replayOf(run, failed, {})} />
        </div>
      )}
    </section>
  );
}

function Group({ run, reason }: { run: string; reason: Reason }) {
  const { level, code, count: all, sample } = reason;
  const { dead, parked, retrying } = reason.failed ?? { dead: all, parked: 0, retrying: 0 };
  const conditions: [number, string][] = [
    [dead, 'failed for good: a person has to act'],
    [parked, 'parked: replays did not help'],
    [retrying, 'may still be retried by AWS'],
  ];
  return (
    <article class="failure" aria-label={`${level}: ${code}`}>
      <h3>
        <span class="text">{level}</span>: <code class="text">{code}</code>{' '}
        <span class="quiet">{plural(all, 'item')}</span>
      </h3>
      <p>
        {conditions
          .filter(([items]) => items > 0)
          .map(([items, words]) => `${count(items)} ${words}`)
          .join('; ')}
        .
      </p>
      <p class="text message" tabIndex={0} role="group" aria-label="Sample message">
        {sample.message}
      </p>
      <dl class="facts">
        <div>
          <dt>Sample</dt>
          <dd class="text">
            <code>{sample.key}</code>
          </dd>
        </div>
        <div>
          <dt>At</dt>
          <dd>{localTime(sample.at)}</dd>
        </div>
        {sample.requestId !== undefined && sample.requestId !== '' && (
          <div>
            <dt>Request</dt>
            <dd class="text">
              <code>{sample.requestId}</code>
            </dd>
          </div>
        )}
      </dl>
      <div class="buttons">
        {dead + retrying > 0 && <ActionButton isMain action={replayOf(run, dead + retrying, { level, code })} />}
        {parked > 0 && <ActionButton action={parkedReplayOf(run, parked, { level, code })} />}
      </div>
    </article>
  );
}

type Which = { level?: string; code?: string };

function replayOf(run: string, items: number, which: Which): Action {
  const what = which.code === undefined ? 'all' : 'these';
  return action(
    `Replay ${what} (${count(items)})`,
    { action: 'replay', run, ...which },
    {
      effect: `Those of ${plural(items, 'item')} that have a dead letter are given to their function again; what AWS still retries has none yet, and is left to it. Correct the cause first.`,
      input: { run, ...which },
    },
  );
}

function parkedReplayOf(run: string, items: number, which: Which): Action {
  return action(
    `Replay parked (${count(items)})`,
    { action: 'replay', run, parked: true, ...which },
    {
      effect: `${plural(items, 'item')} failed after every replay that is allowed. They are given to their function once more, and so are those of the same reason that AWS may still retry.`,
      input: { run, ...which, from: 'failures', force: true },
    },
  );
}

function action(label: string, request: ActionRequest, { effect, input }: { effect: string; input: object }): Action {
  // In a shell, a quote ends the text.
  const quoted = JSON.stringify(input).replaceAll("'", String.raw`'\''`);
  return { label, request, effect, command: `npx sls invoke -f replay -d '${quoted}'` };
}
