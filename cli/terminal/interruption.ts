/** How the commands end early: Ctrl-C, a signal, or the end of the npm that started them. */
import { readFileSync } from 'node:fs';

const parentLookMs = 500;

/**
 * Resolves at the first SIGINT, SIGTERM or SIGHUP, or when npm has ended; a second signal a moment later ends the process at
 * once. (npm passes on a Ctrl-C that the terminal has sent to this process too: two at the same time are one.)
 */
export function interruption(): { asked: Promise<'interrupted'>; isAsked: () => boolean } {
  let askedAtMs: number | undefined;
  const asked = new Promise<'interrupted'>((resolve) => {
    const ask = (): void => {
      askedAtMs ??= performance.now();
      resolve('interrupted');
    };
    for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) {
      process.on(signal, () => {
        if (askedAtMs !== undefined && performance.now() - askedAtMs > 500) process.exit(1);
        ask();
      });
    }
    onParentEnd(ask);
  });
  return { asked, isAsked: () => askedAtMs !== undefined };
}

/**
 * A kill that reaches npm alone would leave this process behind, with its port and its folder. There is no signal for it: the
 * parent's process id changes.
 */
function onParentEnd(ask: () => void): void {
  if (process.env['npm_lifecycle_event'] === undefined) return;
  const family = parents();
  const timer = setInterval(() => {
    if (String(parents()) === String(family)) return;
    clearInterval(timer);
    ask();
  }, parentLookMs);
  timer.unref();
}

/** This process's parent; and the parent of that one where it is the shell through which npm starts a script. */
function parents(): number[] {
  const { ppid } = process;
  try {
    // Linux: `pid (name) state ppid …`. Elsewhere the shell replaces itself with the script.
    const [, name = '', grandparent = ''] =
      /^\d+ \((.*)\) \S (\d+)/s.exec(readFileSync(`/proc/${ppid}/stat`, 'utf8')) ?? [];
    return /^(?:ba|da|z|k)?sh$/.test(name) ? [ppid, Number(grandparent)] : [ppid];
  } catch {
    return [ppid];
  }
}
