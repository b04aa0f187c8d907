/** `npm run rate`: shows and sets the rate of calls to the API, of a deployment on AWS or of the local engine. */
import { S3Client } from '@aws-sdk/client-s3';
import { rateKey } from '../shared/engine/chain/keys.ts';
import { autoWords, rateLines, rateNumber } from './terminal/rate-lines.ts';
import { count } from './terminal/format.ts';
import { askDeployment, createFunctionClient, type FunctionClient } from './run/function-client.ts';
import { isRate, rateChangeOf, setRate, type RateAnswer } from './run/rate-change.ts';
import { flag, helpOf, readOptions, refuseSwallowed, text } from './terminal/options.ts';

const command = 'npm run rate --';

const rateOptions = {
  stage: text('STAGE', 'the stage that is deployed (default: dev)'),
  region: text('REGION', 'where it is deployed (default: AWS_REGION, or what the profile says)'),
  json: flag('print one JSON object on stdout, and nothing else there'),
  help: flag('this text'),
};

const help = `Shows or sets the rate of calls to the API: on AWS, or on the local engine when its variables are exported.

  npm run rate                    what holds now, what is used of it, and how many items wait
  npm run rate -- 5               requests a second from now on, of all levels together
  npm run rate -- auto            what the API says that it allows, up to the deployment's autoRateMost
  npm run rate -- pause           no calls; what is in progress is requeued without counting as an attempt
  npm run rate -- resume          with the rate that held before
  npm run rate -- default         as deployed

${helpOf(rateOptions)}

It writes s3://BUCKET/${rateKey}, such as { "requestsPerSecond": 5 }, as you can by yourself. It takes effect within ten
seconds. A deployment whose rate is unlimited can be paused, but not set to a rate.

Exit status: 0, or 3 when an option is wrong or there was no answer.
`;

type RateClient = FunctionClient<object, RateAnswer>;

async function main(): Promise<number> {
  refuseSwallowed(rateOptions, process.env, command);
  const args = process.argv.slice(2);
  const wish = args[0]?.startsWith('-') === false ? args.shift() : undefined;
  const options = readOptions(rateOptions, args, command);
  if (options.help === true) {
    process.stdout.write(help);
    return 0;
  }
  const change = wish === undefined ? undefined : rateChangeOf(wish);
  const { stage = 'dev', region } = options;
  const s3 = new S3Client(region === undefined ? {} : { region });
  const client: RateClient = await createFunctionClient('rate', isRate, { stage, region });
  try {
    const before = await client.ask({});
    if (change !== undefined) await setRate(before, change, s3);
    const after = change === undefined ? before : await client.ask({});
    process.stdout.write(options.json === true ? `${JSON.stringify(after)}\n` : pageOf(after));
    return 0;
  } finally {
    client.close();
    s3.destroy();
  }
}

function pageOf(answer: RateAnswer): string {
  const { requestsPerSecond, auto, paused, frozenUntil, problem, deployed, waiting, resumed } = answer;
  const rate = requestsPerSecond === 'unlimited' ? 'unlimited' : `${rateNumber(requestsPerSecond)} requests a second`;
  const isDeployed = auto === undefined ? requestsPerSecond === deployed : deployed === 'auto';
  const wait = Object.entries(waiting).filter(([, items]) => items > 0);
  const lines = [
    `${paused ? 'PAUSED; after that ' : ''}${auto === undefined ? '' : 'auto: '}${rate}${isDeployed ? ', as deployed' : `; deployed with ${deployed}`}.`,
    ...(auto === undefined ? [] : [autoWords(auto)]),
    ...rateLines(answer),
    ...(frozenUntil === undefined ? [] : [`The API ordered a wait until ${frozenUntil}.`]),
    ...(problem === undefined ? [] : [`${rateKey} is invalid, so the last valid rate holds. ${problem}.`]),
    ...(wait.length === 0 ? [] : [`Waiting: ${wait.map(([level, items]) => `${level} ${count(items)}`).join(', ')}.`]),
    ...(resumed === 0 ? [] : [`${count(resumed)} that waited were requeued.`]),
  ];
  return `${lines.join('\n')}\n`;
}

await askDeployment(main);
