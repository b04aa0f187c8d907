/**
 * The same tree from the same Hermes into the same local S3, fetched by other tools, by a bare loop, and by s3-cascade: in
 * one sitting on one machine, interleaved, each in a process of its own, each result checked. Only ratios mean anything.
 *
 *     npm ci --prefix bench/peers
 *     npm run bench -- [--rounds 3] [--size medium] [--only memory-loop,ours]
 *     npm run bench -- --kill
 */
import { cpus, release, totalmem } from 'node:os';
import { helpOf, flag, number, readOptions, text, UsageError, whole } from '../../cli/terminal/options.ts';
import { runCommand, type ExitStatus } from '../../cli/terminal/command.ts';

import { endChildrenWithThis } from './children.ts';
import { absence, contenders, versionsOf, type Contender } from './contenders.ts';
import { killInTheMiddle } from './killed.ts';
import { callsInFlight } from './layout.ts';
import { measure, prepare, sizes, tasksOf, type Outcome, type Sitting } from './sitting.ts';
import { denominator, killTable, promiseTable, speedTable, summarize, type KillRow, type Row } from './table.ts';

const options = {
  rounds: whole(1, 100, 'measurements of each contender, interleaved (default 3)'),
  size: text(
    Object.keys(sizes).join('|'),
    'the tree: 79, 2,011, 11,021 or 64,021 calls (default medium; small with --kill)',
  ),
  'latency-ms': number(0, 60_000, 'Hermes waits so long before each answer (default 0; 20 with --kill)'),
  concurrency: whole(1, 1000, 'tasks at once, of each contender that can be told (default 16)'),
  environments: whole(
    1,
    256,
    `s3-cascade's execution environments at once, each a thread (default 4: with batches each makes ${callsInFlight} calls at once)`,
  ),
  only: text('NAME,…', `only these, and the bare loop: ${contenders.map(({ name }) => name).join(', ')}`),
  kill: flag('instead: kill each in the middle of a run, start it again, and count what is lost and made again'),
  'timeout-s': whole(1, 86_400, 'a run that takes longer is ended and reported as such (default 900)'),
  'patience-s': whole(
    5,
    3600,
    'so is one that asks Hermes for nothing for so long (default 75); with --kill, what is missing then is counted (default 200, longer than any lock but one)',
  ),
  json: flag('print one JSON object on stdout, and nothing else there'),
  help: flag('this text'),
};
const command = 'npm run bench --';

const say = (line: string): void => void process.stderr.write(`${line}\n`);

async function main(): Promise<ExitStatus> {
  const given = readOptions(options, process.argv.slice(2), command);
  if (given.help === true) {
    process.stdout.write(`${helpOf(options)}\n`);
    return 0;
  }
  const kill = given.kill === true;
  const size = given.size ?? (kill ? 'small' : 'medium');
  const tree = sizes[size];
  if (tree === undefined) throw new UsageError(`--size must be one of ${Object.keys(sizes).join(', ')}, not ${size}.`);
  const chosen = choose(given.only, kill);
  endChildrenWithThis();
  const latencyMs = given['latency-ms'] ?? (kill ? 20 : 0);
  const concurrency = given.concurrency ?? 16;
  const sitting = await prepare({
    tree,
    latencyMs,
    concurrency,
    environments: given.environments ?? 4,
    timeoutMs: (given['timeout-s'] ?? 900) * 1000,
    patienceMs: (given['patience-s'] ?? (kill ? 200 : 75)) * 1000,
  });
  const tasks = tasksOf(tree);
  const machine = describeMachine(chosen);
  const asked = [command, ...process.argv.slice(2)].join(' ');
  if (kill) {
    const rows = await killAll(chosen, sitting);
    if (given.json === true) print({ command: asked, machine, tasks, rows: rows.map(namedKill) });
    else
      process.stdout.write(
        `${asked}\n${machine.join('\n')}\n\n${killTable(rows, sitting.patienceMs / 1000)}\n\n${promiseTable(chosen)}\n`,
      );
    return rows.some((row) => 'killed' in row && 'failed' in row.killed) ? 1 : 0;
  }
  const rows = await measureAll(chosen, sitting, given.rounds ?? 3, tasks);
  if (given.json === true) print({ command: asked, machine, tasks, rows: rows.map((row) => named(row, tasks)) });
  else
    process.stdout.write(`${asked}\n${machine.join('\n')}\n\n${speedTable(rows, tasks)}\n\n${promiseTable(chosen)}\n`);
  return rows.some((row) => 'outcomes' in row && summarize(row.contender, row.outcomes, tasks) === undefined) ? 1 : 0;
}

/** @throws UsageError for a name that nobody has */
function choose(only: string | undefined, kill: boolean): Contender[] {
  const names = only?.split(',').map((name) => name.trim());
  for (const name of names ?? []) {
    if (contenders.some((contender) => contender.name === name)) continue;
    throw new UsageError(`--only names ${name}; there are ${contenders.map(({ name }) => name).join(', ')}.`);
  }
  return contenders.filter(({ name, store }) => {
    // What is kept in memory has nothing to be looked at after a kill.
    if (kill && store === 'memory') return false;
    return names === undefined || names.includes(name) || (name === denominator && !kill);
  });
}

async function measureAll(chosen: Contender[], sitting: Sitting, rounds: number, tasks: number): Promise<Row[]> {
  const rows = chosen.map((contender): Row => {
    const absent = absence(contender);
    return absent === undefined ? { contender, outcomes: [] } : { contender, absent };
  });
  for (let round = 1; round <= rounds; round += 1) {
    for (const row of rows) {
      if ('absent' in row) continue;
      const outcome: Outcome = await measure(row.contender, sitting);
      row.outcomes.push(outcome);
      const result =
        'failed' in outcome
          ? outcome.failed
          : `${outcome.measured.seconds.toFixed(1)} s, ${Math.round(tasks / outcome.measured.seconds)} calls a second`;
      say(`round ${round}  ${row.contender.name.padEnd(26)}${result}`);
    }
  }
  return rows;
}

async function killAll(chosen: Contender[], sitting: Sitting): Promise<KillRow[]> {
  const rows: KillRow[] = [];
  for (const contender of chosen) {
    const absent = absence(contender);
    if (absent === undefined) rows.push({ contender, killed: await killInTheMiddle(contender, sitting) });
    else rows.push({ contender, absent });
    say(
      `${contender.name.padEnd(26)}${JSON.stringify(rows.at(-1), (key, value: unknown) => (key === 'contender' ? undefined : value))}`,
    );
  }
  return rows;
}

function describeMachine(chosen: Contender[]): string[] {
  const [cpu] = cpus();
  const memory = Math.round(totalmem() / 2 ** 30);
  const machine = `${cpus().length} × ${cpu?.model.trim() ?? 'CPU'}, ${memory} GB, ${process.platform} ${release()}`;
  const versions = new Set(chosen.filter((one) => absence(one) === undefined).map(versionsOf));
  return [machine, [`Node ${process.versions.node}`, ...[...versions].filter((text) => text !== '')].join(', ')];
}

const named = (row: Row, tasks: number): object => {
  const { name, promises } = row.contender;
  if ('absent' in row) return { name, absent: row.absent };
  return { name, promises, summary: summarize(row.contender, row.outcomes, tasks), rounds: row.outcomes };
};
const namedKill = (row: KillRow): object => ({ ...row, contender: row.contender.name });

function print(report: object): void {
  process.stdout.write(`${JSON.stringify(report, null, 2)}\n`);
}

await runCommand(main);
process.exit();
