/**
 * A local engine in a process of its own that loses events, for tests that kill it: started with one JSON argument
 * `{packageDir, dataDir, apiUrl, dropShare, loseShare, seed}`, it prints a line of JSON with its endpoint and bucket, then
 * one with the number of objects after each that is written, and whenever there is nothing left to do. It never ends by itself.
 */
import { startLocalAws } from '../../local-aws/index.ts';
import { lossyFaults, type LossOptions } from './lossy-faults.ts';

type Argument = LossOptions & { packageDir: string; dataDir: string; apiUrl: string };

const { packageDir, dataDir, apiUrl, ...loss } = JSON.parse(process.argv[2] ?? '') as Argument;
let objects = 0;
let onCreated = (): void => undefined;
const say = (line: object): void => void process.stdout.write(`${JSON.stringify(line)}\n`);
const engine = await startLocalAws(packageDir, {
  dataDir,
  environment: { API_URL: apiUrl },
  timeScale: 1000,
  maxEnvironments: 4,
  onObjectCreated() {
    say({ objects: (objects += 1) });
    onCreated();
  },
  ...lossyFaults(loss),
});
say({ endpoint: engine.endpoint, bucket: engine.bucket });
for (;;) {
  const created = new Promise<void>((resolve) => (onCreated = resolve));
  await engine.idle();
  say({ objects, isIdle: true });
  await created;
}
