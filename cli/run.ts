/** `npm run run`: pauses, resumes and cancels one run, of a deployment on AWS or of the local engine. */
import { createInterface } from 'node:readline/promises';
import { openDeployment } from './run/deployment.ts';
import { askDeployment } from './run/function-client.ts';
import { wishWords } from '../page/run-words.ts';
import { changedWords } from './run/run-change.ts';
import type { RunWish } from '../shared/engine/runs/run-control.ts';
import { flag, helpOf, readOptions, refuseSwallowed, text, UsageError } from './terminal/options.ts';
import { checkRunName } from './terminal/run-name.ts';

const command = 'npm run run --';

const runOptions = {
  run: text('NAME', 'the run'),
  reason: text('TEXT', 'why, for other people: status and the page show it'),
  yes: flag('do not ask before a run is cancelled'),
  json: flag('print one JSON object on stdout, and nothing else there'),
  stage: text('STAGE', 'the stage that is deployed (default: dev)'),
  region: text('REGION', 'where it is deployed (default: AWS_REGION, or what the profile says)'),
  help: flag('this text'),
};

const help = `Pauses, resumes or cancels one run: on AWS, or on the local engine when its variables are exported.

  npm run run -- pause --run r1       no calls for it; its items wait, which counts as no attempt
  npm run run -- resume --run r1      calls again; after a cancel, the next sweep brings back what is open
  npm run run -- cancel --run r1      no calls for it, and what is not done is dropped; what was written stays

${helpOf(runOptions)}

It writes s3://BUCKET/control/runs/NAME.json, such as { "state": "paused" }, as you can by yourself. It takes effect within ten
seconds. All runs at once: npm run rate -- pause.

Exit status: 0, or 3 when an option is wrong or there was no answer.
`;

const wishes: readonly string[] = ['pause', 'resume', 'cancel'] satisfies RunWish[];

function wishOf(word: string | undefined): RunWish {
  if (word !== undefined && wishes.includes(word)) return word as RunWish;
  throw new UsageError(`Say what to do: pause, resume or cancel. ${command} --help explains.`);
}

async function main(): Promise<number> {
  refuseSwallowed(runOptions, process.env, command);
  const args = process.argv.slice(2);
  const word = args[0]?.startsWith('-') === false ? args.shift() : undefined;
  const options = readOptions(runOptions, args, command);
  if (options.help === true) {
    process.stdout.write(help);
    return 0;
  }
  const wish = wishOf(word);
  if (options.run === undefined) throw new UsageError(`${wish} needs --run NAME.`);
  const run = checkRunName(options.run);
  const { stage = 'dev', region, reason } = options;
  const deployment = await openDeployment({ stage, region });
  try {
    if (wish === 'cancel' && options.yes !== true && !(await isConfirmed(run))) {
      process.stderr.write('Nothing was changed.\n');
      return 0;
    }
    const changed = await deployment.setRun(run, { wish, reason });
    process.stdout.write(`${options.json === true ? JSON.stringify(changed) : changedWords(changed)}\n`);
    return 0;
  } finally {
    deployment.close();
  }
}

/** @throws UsageError where there is no terminal to ask on */
async function isConfirmed(run: string): Promise<boolean> {
  if (!process.stdin.isTTY) throw new UsageError('There is no terminal to ask on: cancel needs --yes.');
  const terminal = createInterface({ input: process.stdin, output: process.stderr });
  try {
    const answer = await terminal.question(`${wishWords.cancel}\nCancel the run ${run}? [y/N] `);
    return /^y(es)?$/i.test(answer.trim());
  } finally {
    terminal.close();
  }
}

await askDeployment(main);
