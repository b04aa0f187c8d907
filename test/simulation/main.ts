/**
 * `npm run simulate`: ten thousand bad days, and nothing lost. stdout gets the result and nothing else; what goes on is shown
 * on a terminal only.
 */
import { availableParallelism } from 'node:os';
import { resolve } from 'node:path';
import { Worker } from 'node:worker_threads';
import { helpOf, readOptions, refuseSwallowed } from '../../cli/terminal/options.ts';
import { runCommand, type ExitStatus } from '../../cli/terminal/command.ts';
import { addTally, emptyTally, type Failure, type Tally } from './campaign.ts';
import type { ChainChoice } from './chain-plan.ts';
import { loadCore, projectFolder } from './core.ts';
import { faultOdds, type FaultChoice } from './faults.ts';
import { chainOf, choiceOf, command, options as table, type Options } from './options.ts';
import { failurePage, resultJson, resultPage, type Result } from './report.ts';
import { shrink } from './shrink.ts';
import type { ThreadTask, ThreadWord } from './thread.ts';

const help = `Runs the chain's decisions through many bad days in memory, and checks every promise at every step.

  npm run simulate -- --schedules 10000
  npm run simulate -- --seed 4711 --schedules 1 --shrink

${helpOf(table)}

Faults, with their highest odds for each chance that they get:
${Object.entries(faultOdds)
  .map(([name, odds]) => `  ${name.padEnd(24)}${odds}`)
  .join('\n')}

Exit status: 0 when every promise held, 1 when one was broken, 2 when an option is wrong.
`;

async function main(): Promise<ExitStatus> {
  refuseSwallowed(table, process.env, command);
  const options = readOptions(table, process.argv.slice(2), command);
  if (options.help === true) {
    process.stdout.write(help);
    return 0;
  }
  const choice = choiceOf(options);
  const chain = chainOf(options);
  const coreFolder = resolve(options.core ?? projectFolder);
  const startedMs = performance.now();
  const { tally, failures } = await runThreads(options, choice, chain, coreFolder);
  const result: Result = { tally, failures, seconds: (performance.now() - startedMs) / 1000, seed: options.seed ?? 1 };
  const [first] = failures;
  const shrunk =
    first && options.shrink === true ? await shrink(first.seed, await loadCore(coreFolder), choice, chain) : undefined;
  if (options.json === true) process.stdout.write(`${JSON.stringify(resultJson(result, shrunk), undefined, 2)}\n`);
  else process.stdout.write(resultPage(result) + (first === undefined ? '' : failurePage(first, shrunk, options)));
  return first === undefined ? 0 : 1;
}

/** Each thread takes every second, third, … seed, so that the lowest one that fails is the same however fast they are. */
async function runThreads(
  options: Options,
  choice: FaultChoice,
  chain: ChainChoice,
  coreFolder: string,
): Promise<{ tally: Tally; failures: Failure[] }> {
  const { schedules = 1000, seed = 1, threads = Math.min(2, availableParallelism()) } = options;
  const step = Math.min(threads, schedules);
  const lowest = new Int32Array(new SharedArrayBuffer(4)).fill(0x7fffffff);
  const tally = emptyTally();
  const failures: Failure[] = [];
  const done = new Map<number, number>();
  const runThread = (index: number): Promise<void> =>
    new Promise((end, fail) => {
      const task: ThreadTask = {
        coreFolder,
        lowest,
        choice,
        chain,
        step,
        from: seed + index,
        to: seed + schedules,
        isWhole: options['to-the-end'] === true,
      };
      const worker = new Worker(new URL('./thread.ts', import.meta.url), { workerData: task });
      worker.on('message', (word: ThreadWord) => {
        if ('failure' in word) failures.push(word.failure);
        else if ('tally' in word) addTally(tally, word.tally);
        else showProgress(done.set(index, word.schedules), schedules);
      });
      worker.on('error', fail);
      worker.on('exit', end);
    });
  await Promise.all(Array.from({ length: step }, (_, index) => runThread(index)));
  if (process.stderr.isTTY) process.stderr.write('\r\u001b[K');
  return { tally, failures: failures.sort((a, b) => a.seed - b.seed) };
}

function showProgress(done: ReadonlyMap<number, number>, of: number): void {
  if (!process.stderr.isTTY) return;
  const sum = [...done.values()].reduce((all, one) => all + one, 0);
  process.stderr.write(`\r\u001b[K${sum} of ${of} schedules`);
}

await runCommand(main);
