/** Buttons that change something: each says what it will do, asks once, and shows what came of it. */
import { signal } from '@preact/signals';
import { useEffect, useRef } from 'preact/hooks';
import { act, copy, outcomes } from './live.ts';
import type { ActionRequest } from './wire.ts';

export type Action = {
  label: string;
  request: ActionRequest;
  /** A sentence: what will happen. */
  effect: string;
  /** The same for a terminal. */
  command: string;
  /** The other button of the question; default: Cancel. */
  dismiss?: string;
};

const asking = signal<Action | undefined>(undefined);
const running = signal<string | undefined>(undefined);

export function ActionButton({ action, isMain = false }: { action: Action; isMain?: boolean }) {
  if (copy !== undefined) return null;
  return (
    <button
      type="button"
      class={isMain ? 'main' : ''}
      disabled={running.value !== undefined}
      onClick={() => (asking.value = action)}
    >
      {running.value === action.label ? `${action.label} …` : action.label}
    </button>
  );
}

/** The one question of the page. Escape, and a click on the other button, change nothing. */
export function Question() {
  const dialog = useRef<HTMLDialogElement>(null);
  const action = asking.value;
  useEffect(() => {
    if (action !== undefined) dialog.current?.showModal();
  }, [action]);
  const confirm = async (): Promise<void> => {
    if (action === undefined) return;
    dialog.current?.close();
    running.value = action.label;
    await act(action.request, action.label);
    running.value = undefined;
  };
  return (
    <dialog ref={dialog} aria-labelledby="question" onClose={() => (asking.value = undefined)}>
      {action !== undefined && (
        <>
          <h2 id="question">{action.label}?</h2>
          <p>{action.effect}</p>
          <p class="command">
            <code>{action.command}</code>
          </p>
          <div class="buttons">
            <button type="button" class="main" onClick={() => void confirm()}>
              {action.label}
            </button>
            <button type="button" onClick={() => dialog.current?.close()}>
              {action.dismiss ?? 'Cancel'}
            </button>
          </div>
        </>
      )}
    </dialog>
  );
}

export function Outcomes() {
  return (
    <div role="status" class="outcomes">
      {running.value !== undefined && <p>{running.value} …</p>}
      {outcomes.value.map(({ id, ok, what, message }) => (
        <p key={id} class={ok ? 'fine' : 'bad'}>
          <strong>{what}:</strong> <span class="text">{message}</span>
        </p>
      ))}
    </div>
  );
}
