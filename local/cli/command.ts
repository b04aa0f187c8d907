/** What both commands share: how they end, and how they take Ctrl-C. */
import { PortError } from '../endpoint.ts';
import { FolderError } from '../folder-lock.ts';
import { PackageError, TemplateError } from '../package/errors.ts';
import { UsageError } from './options.ts';

/** 0: as asked for, 1: not complete, 2: it could not be started as asked for. */
export type ExitStatus = 0 | 1 | 2;

/** Runs a command; what a person can act on is told in its own words, anything else with its stack. */
export async function runCommand(main: () => Promise<ExitStatus>): Promise<void> {
  try {
    process.exitCode = await main();
  } catch (error) {
    const isTheirs = error instanceof UsageError || error instanceof PortError || error instanceof FolderError;
    const isOurs = error instanceof PackageError || error instanceof TemplateError;
    const text = isTheirs || isOurs ? error.message : error instanceof Error ? error.stack : String(error);
    process.stderr.write(`${text ?? 'failed'}\n`);
    process.exitCode = isTheirs ? 2 : 1;
  }
}

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
