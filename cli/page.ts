/** `npm run page`: the runs of a deployment in the browser, served on this machine, with the caller's own rights. */
import { openInBrowser, openPage } from './page/open-page.ts';
import { writeStaticCopy } from './page/static-copy.ts';
import { askDeployment } from './run/function-client.ts';
import { defaultPagePort } from './run/options.ts';
import { interruption } from './terminal/interruption.ts';
import { flag, helpOf, readOptions, refuseSwallowed, text, UsageError, whole } from './terminal/options.ts';
import { checkRunName } from './terminal/run-name.ts';

const command = 'npm run page --';

const pageOptions = {
  run: text('NAME', 'open this run (default: the list of runs)'),
  port: whole(0, 65_535, `port on 127.0.0.1 (default ${defaultPagePort}; 0 for any free one)`),
  html: text('FILE', 'write a copy of the page of --run into one file, and end'),
  stage: text('STAGE', 'the stage that is deployed (default: dev)'),
  region: text('REGION', 'where it is deployed (default: AWS_REGION, or what the profile says)'),
  help: flag('this text'),
};

const help = `Serves a page of the runs on this machine until Ctrl-C: of a deployment on AWS, or of the local engine when its variables
are exported. It needs no network but AWS's, and has the rights of your credentials.

  npm run page
  npm run page -- --run r1
  npm run page -- --run r1 --html report.html

${helpOf(pageOptions)}

Where and as whom: the usual AWS variables and profile, and AWS_ENDPOINT_URL.

Exit status: 0, or 3 when an option is wrong or there was no answer.
`;

async function main(): Promise<number> {
  refuseSwallowed(pageOptions, process.env, command);
  const options = readOptions(pageOptions, process.argv.slice(2), command);
  if (options.help === true) {
    process.stdout.write(help);
    return 0;
  }
  const { html, stage = 'dev', region, port = defaultPagePort } = options;
  const run = options.run === undefined ? undefined : checkRunName(options.run);
  const deployment = { stage, region };
  if (html !== undefined) {
    if (run === undefined) throw new UsageError('--html needs --run NAME: a copy is of one run.');
    await writeStaticCopy(deployment, run, html);
    process.stdout.write(`The page of ${run} is in ${html}.\n`);
    return 0;
  }
  const interrupted = interruption();
  const page = await openPage(deployment, { port, portOption: '--port' });
  try {
    const address = page.addressOf(run);
    process.stdout.write(`${address}\nCtrl-C ends it. The token lets your browser in, and no other program.\n`);
    openInBrowser(address);
    await interrupted.asked;
  } finally {
    await page.stop();
  }
  return 0;
}

await askDeployment(main);
