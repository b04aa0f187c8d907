/** `npm run rate`: shows and sets the rate of calls to the API, of a deployment on AWS or of the local engine. */
import { GetObjectCommand, NoSuchKey, PutObjectCommand, S3Client } from '@aws-sdk/client-s3';
import { InputError } from '../shared/engine/errors.ts';
import { rateKey } from '../shared/engine/chain/keys.ts';
import { parseRateSetting } from '../shared/engine/rate/rate-setting.ts';
import type { RateReport } from '../shared/engine/recovery/apply-rate.ts';
import { rateLines } from './terminal/rate-lines.ts';
import { count } from './terminal/format.ts';
import { createFunctionClient, DeploymentError, type FunctionClient } from './run/function-client.ts';
import { flag, helpOf, readOptions, refuseSwallowed, text, UsageError } from './terminal/options.ts';

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
  npm run rate -- pause           no calls; what is in progress is requeued without counting as an attempt
  npm run rate -- resume          with the rate that held before
  npm run rate -- default         as deployed

${helpOf(rateOptions)}

It writes s3://BUCKET/${rateKey}, such as { "requestsPerSecond": 5 }, as you can by yourself. It takes effect within ten
seconds. A deployment whose rate is unlimited can be paused, but not set to a rate.

Exit status: 0, or 3 when an option is wrong or there was no answer.
`;

type Answer = RateReport & { bucket: string };
type RateClient = FunctionClient<object, Answer>;
type Setting = { requestsPerSecond?: number; paused?: boolean };

async function main(): Promise<void> {
  refuseSwallowed(rateOptions, process.env, command);
  const args = process.argv.slice(2);
  const wish = args[0]?.startsWith('-') === false ? args.shift() : undefined;
  const options = readOptions(rateOptions, args, command);
  if (options.help === true) {
    process.stdout.write(help);
    return;
  }
  const change = wish === undefined ? undefined : changeOf(wish);
  const { stage = 'dev', region } = options;
  const client: RateClient = await createFunctionClient('rate', isRate, { stage, region });
  try {
    const before = await client.ask({});
    if (change !== undefined) await setRate(before, change, region);
    const after = change === undefined ? before : await client.ask({});
    process.stdout.write(options.json === true ? `${JSON.stringify(after)}\n` : pageOf(after));
  } finally {
    client.close();
  }
}

/** @throws UsageError */
function changeOf(wish: string): (setting: Setting) => Setting {
  if (wish === 'pause') return (setting) => ({ ...setting, paused: true });
  // A rate of 0 is a pause, too; what it was before is not known.
  if (wish === 'resume')
    return ({ requestsPerSecond: rate }) => (rate === undefined || rate === 0 ? {} : { requestsPerSecond: rate });
  if (wish === 'default') return () => ({});
  if (/^\d+(\.\d+)?$/.test(wish)) return () => ({ requestsPerSecond: Number(wish) });
  throw new UsageError(
    `The rate must be a number of requests a second, pause, resume or default, not ${JSON.stringify(wish)}.`,
  );
}

/** @throws UsageError for a rate that the deployment can't keep; DeploymentError when the bucket can't be written */
async function setRate(report: Answer, change: (setting: Setting) => Setting, region?: string): Promise<void> {
  if (report.deployed === 'unlimited' && (change({}).requestsPerSecond ?? 0) > 0)
    throw new UsageError(
      'This deployment has no rate, so nothing bounds its environments and it can keep none: deploy it with --param rate=NUMBER, or start npm run local with --rate NUMBER. pause, resume and default work.',
    );
  const s3 = new S3Client(region === undefined ? {} : { region });
  try {
    const body = JSON.stringify(change(await currentSetting(s3, report.bucket)));
    parseRateSetting(body, report);
    await s3.send(
      new PutObjectCommand({ Bucket: report.bucket, Key: rateKey, Body: body, ContentType: 'application/json' }),
    );
  } catch (error) {
    if (error instanceof InputError) throw new UsageError(error.message.replace(/^Bad input: /, ''), { cause: error });
    if (!(error instanceof Error)) throw error;
    const where = `s3://${report.bucket}/${rateKey}`;
    throw new DeploymentError(`${where} could not be set: ${error.name}: ${error.message}`, { cause: error });
  } finally {
    s3.destroy();
  }
}

/** What is set now, so that a pause keeps its rate; nothing when it is invalid, since it is about to be replaced. */
async function currentSetting(s3: S3Client, bucket: string): Promise<Setting> {
  try {
    const { Body: body } = await s3.send(new GetObjectCommand({ Bucket: bucket, Key: rateKey }));
    const value: unknown = JSON.parse((await body?.transformToString()) ?? '');
    return typeof value === 'object' && value !== null ? value : {};
  } catch (error) {
    if (error instanceof NoSuchKey || error instanceof SyntaxError) return {};
    throw error;
  }
}

function pageOf(answer: Answer): string {
  const { requestsPerSecond, paused, frozenUntil, problem, deployed, waiting, resumed } = answer;
  const rate = requestsPerSecond === 'unlimited' ? 'unlimited' : `${requestsPerSecond} requests a second`;
  const wait = Object.entries(waiting).filter(([, items]) => items > 0);
  const lines = [
    `${paused ? 'PAUSED; after that ' : ''}${rate}${requestsPerSecond === deployed ? ', as deployed' : `; deployed with ${deployed}`}.`,
    ...rateLines(answer),
    ...(frozenUntil === undefined ? [] : [`The API ordered a wait until ${frozenUntil}.`]),
    ...(problem === undefined ? [] : [`${rateKey} is invalid, so the last valid rate holds. ${problem}.`]),
    ...(wait.length === 0 ? [] : [`Waiting: ${wait.map(([level, items]) => `${level} ${count(items)}`).join(', ')}.`]),
    ...(resumed === 0 ? [] : [`${count(resumed)} that waited were requeued.`]),
  ];
  return `${lines.join('\n')}\n`;
}

function isRate(answer: unknown): answer is Answer {
  return typeof answer === 'object' && answer !== null && 'bucket' in answer && 'requestsPerSecond' in answer;
}

try {
  await main();
} catch (error) {
  const isTheirs = error instanceof UsageError || error instanceof DeploymentError;
  const message = isTheirs ? error.message : error instanceof Error ? error.stack : String(error);
  process.stderr.write(`${message ?? 'failed'}\n`);
  process.exitCode = 3;
}
