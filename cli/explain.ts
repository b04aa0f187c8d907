/** `npm run explain`: where an item comes from, whether it is done, why it failed, what it waits for, and what to do. */
import { openDeployment } from './run/deployment.ts';
import { askedOf, explanationPage } from './run/explain-words.ts';
import { askDeployment } from './run/function-client.ts';
import { flag, helpOf, readOptions, refuseSwallowed, text, UsageError } from './terminal/options.ts';
import { checkRunName } from './terminal/run-name.ts';

const command = 'npm run explain --';
const widestLine = 160;

const explainOptions = {
  run: text('NAME', 'the run that ids are of; a key names its run itself'),
  json: flag('print one JSON object on stdout, and nothing else there'),
  stage: text('STAGE', 'the stage that is deployed (default: dev)'),
  region: text('REGION', 'where it is deployed (default: AWS_REGION, or what the profile says)'),
  help: flag('this text'),
};

const help = `Explains one item: on AWS, or on the local engine when its variables are exported. It only reads.

  npm run explain -- KEY                     of an item, a result, a receipt or a failure note; also s3://BUCKET/KEY
  npm run explain -- ID ID ID --run r1       its ids, from the top down

${helpOf(explainOptions)}

Exit status: 0 when it is done, 1 when a person has to act, 2 when it is open or not there, 3 when an option is wrong or there was
no answer.
`;

async function main(): Promise<number> {
  refuseSwallowed(explainOptions, process.env, command);
  const args = process.argv.slice(2);
  const firstOption = args.findIndex((arg) => arg.startsWith('--'));
  const words = firstOption === -1 ? args : args.slice(0, firstOption);
  const options = readOptions(explainOptions, args.slice(words.length), command);
  if (options.help === true) {
    process.stdout.write(help);
    return 0;
  }
  const run = options.run === undefined ? undefined : checkRunName(options.run);
  const [only] = words;
  if (only === undefined && run === undefined)
    throw new UsageError('Which item? Give a KEY, or its ids and --run NAME.');
  // Several words are ids as they stand, with whatever is in them; one may be a key.
  const asked = words.length === 1 && only !== undefined ? askedOf(only) : words;
  const { stage = 'dev', region } = options;
  const deployment = await openDeployment({ stage, region });
  try {
    const explanation = await deployment.explain({ asked, run });
    const width = process.stdout.isTTY ? Math.min(widestLine, process.stdout.columns) : widestLine;
    process.stdout.write(
      options.json === true ? `${JSON.stringify(explanation)}\n` : explanationPage(explanation, width),
    );
    return exitOf(explanation.state);
  } finally {
    deployment.close();
  }
}

function exitOf(state: string): number {
  if (state === 'done') return 0;
  return state === 'dead' || state === 'parked' ? 1 : 2;
}

await askDeployment(main);
