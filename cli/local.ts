/** `npm run local`: the packaged service on one endpoint until Ctrl-C, for everybody's own clients. */
import { resolve } from 'node:path';
import { duration } from './terminal/format.ts';
import { interruption } from './terminal/interruption.ts';
import { helpOf, readOptions, refuseSwallowed, UsageError, type Given } from './terminal/options.ts';
import { runCommand, type ExitStatus } from './terminal/command.ts';
import { apiAccess, startLocalHermes } from './run/local-hermes.ts';
import { settleRun } from './run/run-file.ts';
import { defaultServePort, defaultTimeScale, deploymentParams, serveOptions, todaysRun } from './run/run-options.ts';
import { peoplesCredentials } from '../local-aws/account.ts';
import { startEngine, type Engine } from '../local-aws/engine.ts';
import { lockFolder } from '../local-aws/folder-lock.ts';
import type { ServiceModel } from '../local-aws/package/model.ts';
import { packageService } from '../local-aws/package/package-service.ts';

const command = 'npm run local --';
const help = `Serves the packaged service's S3, SQS and Lambda on one loopback endpoint until Ctrl-C.

${helpOf(serveOptions)}

The token for --hermes-url is taken from the variable HERMES_TOKEN.
`;

type Options = Given<typeof serveOptions>;

async function main(): Promise<ExitStatus> {
  refuseSwallowed(serveOptions, process.env, command);
  const options = readOptions(serveOptions, process.argv.slice(2), command);
  if (options.help === true) {
    process.stdout.write(help);
    return 0;
  }
  const params = deploymentParams(options);
  const interrupted = interruption();
  const dataDir = options['data-dir'] === undefined ? undefined : resolve(options['data-dir']);
  // A folder that can't be had is said at once, not after the packaging.
  if (dataDir !== undefined) lockFolder(dataDir).release();
  const closers: (() => Promise<void>)[] = [];
  try {
    const api = await openApi(options, dataDir);
    closers.push(api.stop);
    process.stderr.write('Packaging the service …\n');
    const { packageDir } = await packageService({ serviceDir: resolve(import.meta.dirname, '..'), params });
    const timeScale = options['time-scale'] ?? defaultTimeScale;
    const engine = await startEngine({
      packageDir,
      dataDir,
      port: options.port ?? defaultServePort,
      timeScale,
      maxEnvironments: options.environments,
      ...api.access,
      schedules: true,
    });
    closers.push(() => engine.stop());
    process.stdout.write(welcome(engine, { hermesUrl: api.url, dataDir, timeScale }));
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

async function openApi(options: Options, dataDir: string | undefined) {
  const { troops, warriors, groups, hostile } = options;
  const url = options['hermes-url'];
  if (url === undefined) {
    const tree = settleRun({ troops, warriors, groups, hostile }, dataDir, todaysRun(new Date()));
    const { hermes, access } = await startLocalHermes(tree, options);
    return { url: hermes.url, access, stop: () => hermes.stop() };
  }
  if (!/^https?:$/.test(URL.parse(url)?.protocol ?? '')) {
    throw new UsageError(`--hermes-url must be an http:// or https:// address, not ${JSON.stringify(url)}.`);
  }
  const access = apiAccess(url, process.env['HERMES_TOKEN'] ?? '');
  return { url, access, stop: () => Promise.resolve() };
}

type Place = { hermesUrl: string; dataDir: string | undefined; timeScale: number };

function welcome({ endpoint, bucket, queues, model }: Engine, place: Place): string {
  const { hermesUrl, dataDir, timeScale } = place;
  const { accessKeyId, secretAccessKey } = peoplesCredentials;
  const functions = model.functions.map(({ name }) => name.slice(name.lastIndexOf('-') + 1));
  return `The engine is on ${endpoint}, fetching from ${hermesUrl}; Ctrl-C ends it. ${dataDir === undefined ? 'Nothing is kept.' : `All is kept in ${dataDir}.`}

export AWS_ENDPOINT_URL=${endpoint}
export AWS_ACCESS_KEY_ID=${accessKeyId}
export AWS_SECRET_ACCESS_KEY=${secretAccessKey}
export AWS_REGION=us-east-1
export AWS_DEFAULT_REGION=us-east-1
export BUCKET=${bucket}

With these in another terminal:

  echo '{}' > seed.json
  aws s3 cp seed.json s3://$BUCKET/seeds/r1.json
  aws s3 ls --recursive s3://$BUCKET/
  aws sqs get-queue-attributes --endpoint-url $AWS_ENDPOINT_URL --attribute-names All --queue-url ${queues[0]?.url ?? ''}
  npm run status -- --run r1 --watch
  npm run rate -- 5
  npx sls invoke -f status -d '{"run":"r1"}'
  npx sls invoke -f sweep -d '{"run":"r1"}'
  npx sls invoke -f replay -d '{"run":"r1","dryRun":true}'

(\`aws sqs\` of the AWS CLI version 1 takes no heed of AWS_ENDPOINT_URL, so it is told.)

${scheduleLines(model, timeScale).join('')}Functions: ${functions.join(', ')}
`;
}

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
