/** Looks at something again and again until it ends or a person has seen enough. */
import { createLogUpdate } from 'log-update';

/** Shows pictures: one over the other on a terminal, in a pipe a line whenever it changes. */
export type Screen = { show: (picture: { page: string; line: string }) => void; end: () => void };

export function openScreen(stream: NodeJS.WriteStream): Screen {
  if (stream.isTTY) {
    const update = createLogUpdate(stream);
    return { show: ({ page }) => update(page.trimEnd()), end: () => update.done() };
  }
  let last: string | undefined;
  return {
    show({ line }) {
      if (line !== last) stream.write(`${line}\n`);
      last = line;
    },
    end: () => undefined,
  };
}

const shortestWaitMs = 2_000;
/** Of the time, a tenth at most is spent on looking: a look at a large run costs its listings. */
const waitsForALook = 9;

/**
 * @returns the last look: at the end, or when a person interrupts; undefined when that came before the first
 * @throws what looking throws
 */
export async function watchUntil<Look>(
  look: () => Promise<Look>,
  isEnd: (seen: Look) => boolean,
  interrupted: Promise<unknown>,
): Promise<Look | undefined> {
  let seen: Look | undefined;
  const stopped = interrupted.then(() => 'stopped' as const);
  for (;;) {
    const startedMs = performance.now();
    const next = await Promise.race([look(), stopped]);
    if (next === 'stopped') return seen;
    seen = next;
    if (isEnd(seen)) return seen;
    const waitMs = Math.max(shortestWaitMs, waitsForALook * (performance.now() - startedMs));
    let timer: NodeJS.Timeout | undefined;
    const waited = new Promise<'waited'>((resolve) => {
      timer = setTimeout(() => resolve('waited'), waitMs);
    });
    const ended = await Promise.race([waited, stopped]);
    clearTimeout(timer);
    if (ended === 'stopped') return seen;
  }
}
