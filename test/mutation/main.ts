/** `npm run mutate`: small mistakes in the engine, made by rule, and whether the tests notice them. stdout gets the result alone. */
import { appendFileSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import { runCommand, type ExitStatus } from '../../cli/terminal/command.ts';
import { helpOf, readOptions, refuseSwallowed, UsageError } from '../../cli/terminal/options.ts';
import { projectFolder } from '../simulation/core.ts';
import { EngineProgram } from './engine-program.ts';
import { command, defaultSchedules, options as table } from './options.ts';
import { mutantLines, resultJson, resultPage, trialJson, type Effort } from './report.ts';
import { tryMutants } from './run.ts';
import { filesOf, shuffled } from './sample.ts';
import { isGoodEnough, scoreOf } from './score.ts';
import { ruleNames } from './mutants.ts';
import type { Trial } from './trial.ts';

const help = `Changes the engine in one place at a time, and tries each change with the engine's unit tests and with the simulation.

  npm run mutate -- --sample 200
  npm run mutate -- --file 'shared/engine/recovery/**' --list

${helpOf(table)}

Rules: ${ruleNames.join(', ')}.

A mutant that the compiler refuses is not tried. One that never ends is killed. Survivors that make no difference are explained in
test/mutation/explained-survivors.ts.

Ctrl-C ends it early: the mutants that are being tried are tried to their end, and the result tells of all so far.

Exit status: 0 when enough mutants were killed, 1 when not, 2 when an option is wrong.
`;

async function main(): Promise<ExitStatus> {
  refuseSwallowed(table, process.env, command);
  const options = readOptions(table, process.argv.slice(2), command);
  if (options.help === true) {
    process.stdout.write(help);
    return 0;
  }
  const { seed = 1, schedules = defaultSchedules, workers = availableParallelism() } = options;
  const startedMs = performance.now();
  const program = new EngineProgram(projectFolder);
  const all = program.files.flatMap((file) => program.mutants(file));
  const files = new Set(filesOf(program.files, options.file));
  if (files.size === 0) throw new UsageError(`--file ${options.file ?? ''} matches no file of shared/engine.`);
  const chosen = all.filter(({ file, id }) => files.has(file) && options.id?.includes(id) !== false);
  const unknown = options.id?.find((id) => !chosen.some((mutant) => mutant.id === id));
  if (unknown !== undefined) throw new UsageError(`--id ${unknown} is no mutant. ${command} --list shows them.`);
  const mutants = options.sample === undefined ? chosen : shuffled(chosen, seed);
  const sample = options.sample ?? mutants.length;
  if (options.list === true) {
    process.stdout.write(mutants.slice(0, sample).flatMap(mutantLines).join('\n') + '\n');
    return 0;
  }
  const onTrial = (trial: Trial, done: number): void => {
    if (options.trials !== undefined) appendFileSync(options.trials, `${JSON.stringify(trialJson(trial))}\n`);
    showProgress(done, Math.min(sample, mutants.length));
  };
  const stop = new AbortController();
  process.once('SIGINT', () => stop.abort());
  const { trials, illTyped } = await tryMutants({
    ...{ program, projectFolder, mutants, sample, schedules, onTrial, stop: stop.signal },
    workers: Math.min(workers, sample),
  });
  if (process.stderr.isTTY) process.stderr.write('\r\u001b[K');
  const result = scoreOf(trials, all);
  const seconds = (performance.now() - startedMs) / 1000;
  const effort: Effort = { seconds, workers, schedules, made: chosen.length, illTyped, seed };
  if (options.json === true)
    process.stdout.write(`${JSON.stringify(resultJson(result, trials, effort), undefined, 2)}\n`);
  else process.stdout.write(resultPage(result, effort));
  return isGoodEnough(result) ? 0 : 1;
}

function showProgress(done: number, of: number): void {
  if (process.stderr.isTTY) process.stderr.write(`\r\u001b[K${done} of ${of} mutants`);
}

await runCommand(main);
