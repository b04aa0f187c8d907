/** A box for a key or for ids, answered as `npm run explain` does. */
import { useSignal } from '@preact/signals';
import { factsOf } from './explain-facts.ts';
import { askExplain, place } from './live.ts';
import type { ExplainAnswer } from './wire.ts';

export function ExplainBox() {
  const asked = useSignal('');
  const answer = useSignal<ExplainAnswer | undefined>(undefined);
  const isAsking = useSignal(false);
  const names = place.value?.levels.at(-1)?.ids ?? [];
  const ask = async (event: Event): Promise<void> => {
    event.preventDefault();
    isAsking.value = true;
    answer.value = await askExplain(asked.value);
    isAsking.value = false;
  };
  return (
    <section aria-labelledby="explain">
      <h2 id="explain">Explain an item</h2>
      <form onSubmit={(event) => void ask(event)}>
        <label for="asked">A key, or ids from the top down{names.length > 0 && ` (${names.join(', ')})`}</label>
        <div class="buttons">
          <input
            id="asked"
            class="grows"
            type="text"
            autocomplete="off"
            spellcheck={false}
            value={asked.value}
            onInput={({ currentTarget }) => (asked.value = currentTarget.value)}
          />
          <button type="submit" disabled={isAsking.value}>
            Explain
          </button>
        </div>
      </form>
      <div role="status">{answer.value !== undefined && <Answer answer={answer.value} />}</div>
    </section>
  );
}

function Answer({ answer }: { answer: ExplainAnswer }) {
  if ('problem' in answer) return <p class="bad text">{answer.problem}</p>;
  const { advice } = answer.explanation;
  return (
    <>
      <dl class="facts">
        {factsOf(answer.explanation).map(([name, text], index) => (
          <div key={index}>
            <dt>{name}</dt>
            <dd class="text">{text}</dd>
          </div>
        ))}
      </dl>
      {advice !== undefined && (
        <p class="command">
          <code class="text">{advice}</code>
        </p>
      )}
    </>
  );
}
