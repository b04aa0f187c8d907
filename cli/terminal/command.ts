/** What both commands share: how they end. */
import { PortError } from '../../local-aws/endpoint.ts';
import { FolderError } from '../../local-aws/folder-lock.ts';
import { PackageError, TemplateError } from '../../local-aws/package/errors.ts';
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
