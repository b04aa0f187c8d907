/** `npm run local`: the packaged service on one endpoint until Ctrl-C, for any client of AWS. */
import {
  type LocalAws,
  lockFolder,
  packageService,
  peoplesCredentials,
  region,
  type ServiceModel,
  startLocalAws,
} from '../local-aws/index.ts';
import type { DeployedRate } from '../shared/engine/rate/rate-setting.ts';
import { openPage } from './page/open-page.ts';
import type { PageServer } from './page/server.ts';
import { openApi } from './run/api.ts';
import { defaultData, readLocalCommand, type LocalCommand } from './run/local-command.ts';
import { countedCalls, apiCalls, ofThisEngine } from './run/engine.ts';
import { createTroubleLines } from './run/log-lines.ts';
import { defaultServePort, defaultTimeScale, deploymentParams, pagePort, serveOptions } from './run/options.ts';
import { settleRun } from './run/run-file.ts';
import { projectDir, type Source } from './run/source.ts';
import { runCommand, type ExitStatus } from './terminal/command.ts';
import { duration } from './terminal/format.ts';
import { interruption } from './terminal/interruption.ts';

const help = {
  before: `Serves the packaged service's S3, SQS and Lambda on one loopback endpoint until Ctrl-C.

  npm run local
  npm run local -- --source NAME --url https://api.example.com --rate 10`,
};

type Command = LocalCommand<typeof serveOptions>;

async function main(): Promise<ExitStatus> {
  const given = await readLocalCommand(serveOptions, 'npm run local --', help);
  if (given.help !== undefined) {
    process.stdout.write(given.help);
    return 0;
  }
  const params = deploymentParams(given.source, given.options);
  const wanted = { source: given.options.source, url: given.url, data: given.data };
  const defaults = { source: given.source.name, run: '', data: defaultData(given.source), seed: '' };
  const { url, data } = settleRun(wanted, given.remembered, defaults, given.dataDir);
  // A folder that can't be used is reported at once, not after the packaging.
  if (given.dataDir !== undefined) lockFolder(given.dataDir).release();
  return serve(given, params, { url, token: given.token, given: { ...data, ...given.given } });
}

async function serve(
  { options, source, dataDir }: Command,
  params: Record<string, string>,
  wanted: Parameters<typeof openApi>[1],
): Promise<ExitStatus> {
  const interrupted = interruption();
  const closers: (() => Promise<void>)[] = [];
  try {
    const api = await openApi(source, wanted);
    closers.push(() => api.stop());
    process.stderr.write('Packaging the service …\n');
    const { packageDir } = await packageService({ serviceDir: projectDir, params });
    const timeScale = options['time-scale'] ?? defaultTimeScale;
    const troubleOf = createTroubleLines();
    const engine = await startLocalAws(packageDir, {
      dataDir,
      port: options.port ?? defaultServePort,
      timeScale,
      maxEnvironments: options.environments,
      ...api.access,
      schedules: true,
      metrics: [apiCalls],
      onLog(functionName, line) {
        const trouble = troubleOf(functionName, line);
        if (trouble !== undefined) process.stderr.write(`${trouble}\n`);
      },
    });
    closers.push(() => engine.stop());
    const page = await openPage(ofThisEngine(engine), {
      port: pagePort(options),
      portOption: '--page-port',
      countCalls: () => countedCalls(engine),
    });
    closers.push(() => page.stop());
    const { rate = 'unlimited' } = options;
    process.stdout.write(welcome(engine, { apiName: api.name, dataDir, timeScale, rate, source, page }));
    await interrupted.asked;
    const waiting = engine.lambda.pending();
    process.stderr.write(
      waiting > 0 && dataDir !== undefined ? `Stopped; ${waiting} events wait in ${dataDir}.\n` : 'Stopped.\n',
    );
    return 0;
  } finally {
    for (const close of closers.reverse()) await close();
  }
}

type Place = {
  apiName: string;
  dataDir: string | undefined;
  timeScale: number;
  rate: DeployedRate;
  source: Source;
  page: PageServer;
};

function welcome({ endpoint, bucket, queues, model }: LocalAws, place: Place): string {
  const { apiName, dataDir, timeScale, rate, source, page } = place;
  const { accessKeyId, secretAccessKey } = peoplesCredentials;
  const functions = model.functions.map(({ name }) => name.slice(name.lastIndexOf('-') + 1));
  return `The source ${source.name} is fetched from ${apiName}, on the engine at ${endpoint}; Ctrl-C ends it. ${dataDir === undefined ? 'Nothing is kept.' : `All is kept in ${dataDir}.`}

A page of the runs: ${page.addressOf()}

export AWS_ENDPOINT_URL=${endpoint}
export AWS_ACCESS_KEY_ID=${accessKeyId}
export AWS_SECRET_ACCESS_KEY=${secretAccessKey}
export AWS_REGION=${region}
export AWS_DEFAULT_REGION=${region}
export BUCKET=${bucket}

With these in another terminal:

  echo '${exampleSeed(source)}' > seed.json
  aws s3 cp seed.json s3://$BUCKET/seeds/r1.json
  aws s3 ls --recursive s3://$BUCKET/
  aws sqs get-queue-attributes --endpoint-url $AWS_ENDPOINT_URL --attribute-names All --queue-url ${queues[0]?.url ?? ''}
  npm run status -- --run r1 --watch
  ${rateLine(rate)}
  npx sls invoke -f status -d '{"run":"r1"}'
  npx sls invoke -f sweep -d '{"run":"r1"}'
  npx sls invoke -f replay -d '{"run":"r1","dryRun":true}'
  npx sls logs -f ${functions[0] ?? ''}

(\`aws sqs\` of the AWS CLI version 1 does not read AWS_ENDPOINT_URL, so it is told.)

${scheduleLines(model, timeScale).join('')}Functions: ${functions.join(', ')}
Their warnings and errors appear below.
`;
}

/** An unlimited deployment has no bounds on its environments, so it can keep no other rate. */
function rateLine(rate: DeployedRate): string {
  if (rate === 'unlimited') return 'npm run rate -- pause          (start with --rate N to be able to set a rate)';
  if (rate === 'auto') return 'npm run rate -- 5';
  return `npm run rate -- ${Math.max(1, Math.floor(rate / 2))}`;
}

/** With the parameters that a seed has to give. */
function exampleSeed({ chain }: Source): string {
  const required = Object.entries(chain.params).filter(([, { default: value }]) => value === undefined);
  if (required.length === 0) return '{}';
  return JSON.stringify({ params: Object.fromEntries(required.map(([name, { type }]) => [name, examples[type]])) });
}

const examples = { text: 'a text', number: 1, boolean: true, timestamp: '2026-11-20T00:00:00Z' } as const;

function scheduleLines({ schedules, functions }: ServiceModel, timeScale: number): string[] {
  return schedules.flatMap(({ enabled, everyMs, functionArn }) => {
    const name = functions.find(({ arn }) => arn === functionArn)?.name;
    if (!enabled || everyMs === undefined || name === undefined) return [];
    const everySeconds = everyMs / timeScale / 1000;
    return [
      `${name} runs by itself, every ${everySeconds < 10 ? `${everySeconds.toFixed(1)} s` : duration(everySeconds)}.\n`,
    ];
  });
}

await runCommand(main);
