/** An S3 that accepts a request and never answers it: the invocation ends by itself, in time to note why, and comes back. */
import { connect, createServer, type AddressInfo, type Server, type Socket } from 'node:net';
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { type Properties, asRecord } from '../../local-aws/index.ts';
import { shopsApi, startNeutralWorld, type NeutralWorld } from './neutral-world.ts';

/** A way to the engine's endpoint on which chosen requests are lost. */
class LossyWay {
  /** The port that it leads to. */
  port = 0;
  /** The beginnings of requests that are lost, each once. */
  readonly lost: string[] = [];
  readonly #sockets = new Set<Socket>();
  readonly #server: Server;

  constructor() {
    this.#server = createServer((from) => {
      const to = connect(this.port, '127.0.0.1');
      for (const socket of [from, to]) {
        this.#sockets.add(socket);
        socket.on('error', () => undefined).on('close', () => this.#sockets.delete(socket));
      }
      let isSilent = false;
      from.on('data', (bytes: Buffer) => {
        const text = bytes.toString('latin1');
        const at = this.lost.findIndex((beginning) => text.startsWith(beginning));
        if (at !== -1) this.lost.splice(at, 1);
        isSilent ||= at !== -1;
        if (!isSilent) to.write(bytes);
      });
      to.on('data', (bytes: Buffer) => from.write(bytes));
      from.on('close', () => to.destroy());
      to.on('close', () => from.destroy());
    });
  }

  async listen(): Promise<string> {
    this.#server.listen(0, '127.0.0.1');
    await new Promise((resolve) => this.#server.once('listening', resolve));
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}`;
  }

  async close(): Promise<void> {
    for (const socket of this.#sockets) socket.destroy();
    await new Promise((resolve) => this.#server.close(resolve));
  }
}

const timeoutSeconds = 8;

/** Functions that fetch have little time, so that the tests have not long to wait. */
function withShortTimeouts(template: Properties): Properties {
  const changed = structuredClone(template);
  for (const [id, resource] of Object.entries(asRecord(changed['Resources'], 'Resources')))
    if (/^Fetch.*LambdaFunction$/.test(id))
      asRecord(asRecord(resource, id)['Properties'], id)['Timeout'] = timeoutSeconds;
  return changed;
}

let world: NeutralWorld;
const way = new LossyWay();

beforeAll(async () => {
  const url = await way.listen();
  world = await startNeutralWorld('shops', {
    functionsOverHttp: true,
    environment: { AWS_ENDPOINT_URL_S3: url },
    template: withShortTimeouts,
  });
  way.port = world.engine.port;
  world.api.answer(shopsApi('a', 'b'));
});
afterAll(async () => {
  await world.stop();
  await way.close();
});

test.each([
  ['GET', 'seeds/get.json', 'get', 'failures/shops/get.json'],
  ['HEAD', 'sales/head/a.csv', 'head', 'failures/sales/head/a.json'],
  ['PUT', 'sales/put/a.csv', 'put', 'failures/sales/put/a.json'],
])('a %s of %s without an answer is a transient failure that is noted in time', async (method, key, run, note) => {
  way.lost.push(`${method} /${world.engine.bucket}/${key}`);
  const before = world.engine.lambda.stats();
  await world.run(run);
  expect(way.lost).toEqual([]);
  expect(world.json(note)).toMatchObject({ class: 'transient', code: 'OUT_OF_TIME', attempts: 1 });
  const { timeouts, errors, retries } = world.engine.lambda.stats();
  expect({ timeouts, errors, retries }).toEqual({
    timeouts: 0,
    errors: before.errors + 1,
    retries: before.retries + 1,
  });
  // Lambda's retry has brought it to its end.
  expect(world.objects(`sales/${run}/`).size).toBe(2);
  expect(await world.invoke('sweep', { run, olderThan: 0 })).toMatchObject({ runs: [{ complete: true }] });
});
