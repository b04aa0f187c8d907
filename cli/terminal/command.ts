/** What the commands share: how they end. */

/** 0: as asked for, 1: not complete, 2: it could not be started as asked for. */
export type ExitStatus = 0 | 1 | 2;

/** Errors that a person can act on, by name: most commands do not need the local AWS, and should not load it for its classes. */
const ofThePerson = new Set(['UsageError', 'PortError', 'FolderError']);
const ofTheService = new Set(['PackageError', 'TemplateError']);

/** Runs a command; what a person can act on is told in its own words, anything else with its stack. */
export async function runCommand(main: () => Promise<ExitStatus>): Promise<void> {
  try {
    process.exitCode = await main();
  } catch (error) {
    const { name, message, stack } = error instanceof Error ? error : new Error(String(error));
    const isTheirs = ofThePerson.has(name);
    process.stderr.write(`${isTheirs || ofTheService.has(name) ? message : (stack ?? message)}\n`);
    process.exitCode = isTheirs ? 2 : 1;
  }
}
