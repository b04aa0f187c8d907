/** How the commands take Ctrl-C. */

/**
 * Resolves at the first SIGINT or SIGTERM; a second SIGINT a moment later ends the process at once. (npm passes on a
 * Ctrl-C that the terminal has sent to this process too: two at the same time are one.)
 */
export function interruption(): { asked: Promise<'interrupted'>; isAsked: () => boolean } {
  let askedAtMs: number | undefined;
  const asked = new Promise<'interrupted'>((resolve) => {
    for (const signal of ['SIGINT', 'SIGTERM'] as const) {
      process.on(signal, () => {
        if (askedAtMs !== undefined && performance.now() - askedAtMs > 500) process.exit(1);
        askedAtMs ??= performance.now();
        resolve('interrupted');
      });
    }
  });
  return { asked, isAsked: () => askedAtMs !== undefined };
}
