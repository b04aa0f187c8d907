/** A local Hermes by itself: `node sources/hermes/fake/main.ts --help`. */
import { parseArgs } from 'node:util';
import { startHermes, type HermesOptions } from './server.ts';

const help = `Serves a made-up Hermes on 127.0.0.1 until Ctrl-C.

  --port N           port (default 8080; 0 for any free one)
  --troops N         troops (default 5)
  --warriors N       warriors in each troop (default 20)
  --groups N         data groups of each warrior (default 10)
  --seed N           another number, another tree and other failures (default 1)
  --hostile          every third id is one that breaks careless crawlers
  --page-size N      items on a page (default 100)
  --token TEXT       ask for this bearer token
  --latency-ms N     wait before each answer
  --fail-rate N      0 to 1: the share of calls that fail at random
  --fail-forever N   this many calls answer 500 every time
  --rate-limit N     answer 429 above this many calls in a second
  --log-file FILE    append a line of JSON for each call
  --help             this text

Control, while it runs:  curl 127.0.0.1:8080/_hermes/stats
                         curl -X POST 127.0.0.1:8080/_hermes/configure -d '{"failForever":0}'
`;

const numbers = {
  port: 'port',
  troops: 'troops',
  warriors: 'warriors',
  groups: 'groups',
  seed: 'seed',
  'page-size': 'pageSize',
  'latency-ms': 'latencyMs',
  'fail-rate': 'failRate',
  'fail-forever': 'failForever',
  'rate-limit': 'rateLimit',
} as const;

/** @throws Error with one line that says which option is wrong */
function readOptions(args: string[]): HermesOptions | 'help' {
  const text = { type: 'string' } as const;
  const { values } = parseArgs({
    args,
    options: {
      ...(Object.fromEntries(Object.keys(numbers).map((name) => [name, text])) as Record<
        keyof typeof numbers,
        typeof text
      >),
      token: text,
      'log-file': text,
      hostile: { type: 'boolean' },
      help: { type: 'boolean' },
    },
  });
  if (values.help === true) return 'help';
  const options: HermesOptions = { port: 8080 };
  for (const [name, setting] of Object.entries(numbers)) {
    const value = values[name as keyof typeof numbers];
    if (value === undefined) continue;
    if (!/^\d+(\.\d+)?$/.test(value)) throw new RangeError(`--${name} must be a number, not ${JSON.stringify(value)}`);
    options[setting] = Number(value);
  }
  if (!Number.isInteger(options.port) || (options.port ?? 0) > 65_535)
    throw new RangeError('--port must be 0 to 65535');
  if (values.token !== undefined) options.token = values.token;
  if (values['log-file'] !== undefined) options.logFile = values['log-file'];
  if (values.hostile !== undefined) options.hostile = values.hostile;
  return options;
}

async function main(): Promise<void> {
  const options = readOptions(process.argv.slice(2));
  if (options === 'help') {
    process.stdout.write(help);
    return;
  }
  const hermes = await startHermes(options);
  process.stdout.write(`Hermes listens on ${hermes.url}\n`);
  for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => void hermes.stop());
}

try {
  await main();
} catch (error) {
  const { code, message } = error as NodeJS.ErrnoException;
  const reason = code === 'EADDRINUSE' ? `the port is in use; choose another with --port (${message})` : message;
  // parseArgs explains some mistakes over several lines; the first says it all.
  process.stderr.write(`hermes: ${reason.split('\n', 1)[0] ?? ''}\n`);
  process.exitCode = 2;
}
