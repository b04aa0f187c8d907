/** `npm run status`: how a run stands, drawn in the terminal, from a deployment on AWS or from the local engine. */
import type { Status, StatusRequest } from '../shared/engine/report/status.ts';
import { askDeployment, createFunctionClient, type FunctionClient } from './run/function-client.ts';
import { interruption } from './terminal/interruption.ts';
import { flag, helpOf, readOptions, refuseSwallowed, text, UsageError, type Given } from './terminal/options.ts';
import { checkRunName } from './terminal/run-name.ts';
import { exitOf, statusLine, statusPage, type StatusExit } from './terminal/status-page.ts';
import { openScreen, watchUntil } from './terminal/watch.ts';

const widestPage = 120;
const command = 'npm run status --';

const statusOptions = {
  run: text('NAME', 'the run to look at (default: the latest runs, one in each line)'),
  watch: flag('look again every 2 seconds, less often at a large run, until it has ended or Ctrl-C'),
  json: flag('print one JSON object on stdout, and nothing else there; with --watch, at the end'),
  fresh: flag('count now, whatever the last report says; --watch always does'),
  stage: text('STAGE', 'the stage that is deployed (default: dev)'),
  region: text('REGION', 'where it is deployed (default: AWS_REGION, or what the profile says)'),
  help: flag('this text'),
};

const help = `Shows how a run stands: on AWS, or on the local engine when its variables are exported.

  npm run status                          the latest runs
  npm run status -- --run r1 --watch
  npm run --silent status -- --run r1 --json        (--silent: npm itself prints two lines on stdout)

${helpOf(statusOptions)}

Where and as whom: the usual AWS variables and profile, and AWS_ENDPOINT_URL.

Exit status: 0 when the run is complete, 1 when it has failed or is cancelled (a person has to act), 2 when it is still open, 3 when an option
is wrong or there was no answer.
`;

async function main(): Promise<StatusExit> {
  refuseSwallowed(statusOptions, process.env, command);
  const options = readOptions(statusOptions, process.argv.slice(2), command);
  if (options.help === true) {
    process.stdout.write(help);
    return 0;
  }
  if (options.run !== undefined) checkRunName(options.run);
  if (options.watch === true && options.run === undefined) throw new UsageError('--watch needs --run NAME.');
  const deployment = { stage: options.stage ?? 'dev', region: options.region };
  const client: StatusClient = await createFunctionClient('status', isStatus, deployment);
  try {
    return options.watch === true ? await watch(client, options) : await show(client, options);
  } finally {
    client.close();
  }
}

type Options = Given<typeof statusOptions>;
type StatusClient = FunctionClient<StatusRequest, Status>;

async function show(client: StatusClient, { run, json, fresh }: Options): Promise<StatusExit> {
  const status = await client.ask({ run, fresh });
  process.stdout.write(json === true ? `${JSON.stringify(status)}\n` : pageOf(status));
  return exitOf(status);
}

async function watch(client: StatusClient, { run, json }: Options): Promise<StatusExit> {
  const interrupted = interruption();
  const screen = json === true ? undefined : openScreen(process.stdout);
  const look = async (): Promise<Status> => {
    const status = await client.ask({ run, fresh: true });
    screen?.show({ page: pageOf(status), line: statusLine(status) });
    return status;
  };
  const last = await watchUntil(look, (status) => exitOf(status) !== 2, interrupted.asked);
  screen?.end();
  if (last === undefined) return 2;
  if (json === true) process.stdout.write(`${JSON.stringify(last)}\n`);
  return exitOf(last);
}

function isStatus(answer: unknown): answer is Status {
  if (typeof answer !== 'object' || answer === null) return false;
  return 'runs' in answer ? Array.isArray(answer.runs) : 'levels' in answer && Array.isArray(answer.levels);
}

function pageOf(status: Status): string {
  return 'runs' in status ? `${statusLine(status)}\n` : statusPage(status, pageWidth());
}

/** A pipe has no width: lines are as long as they are still easily read. */
function pageWidth(): number {
  return process.stdout.isTTY ? Math.min(widestPage, process.stdout.columns) : widestPage;
}

await askDeployment(main);
