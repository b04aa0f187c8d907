/** Which services the S3 contract is run against: ours always, moto_server where it is installed, AWS when asked. */
import { spawn } from 'node:child_process';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { openDatabase } from '../../database.ts';
import { serveS3 } from '../../s3/http.ts';
import { S3Store } from '../../s3/store.ts';
import { findOnPath } from './find-on-path.ts';
import { s3ServiceContract } from './s3-service.ts';
import type { StartedS3 } from './s3-service.ts';

s3ServiceContract('the local S3', startLocal);

/** moto 5.2.1. Each of these tests must fail against it: when one passes, its line goes. */
const motoDeviations = {
  'a key of 1,024 bytes is taken and one of 1,025 is refused': 'it takes keys of any length',
  'a quiet deletion of many tells of errors only': 'it lists what it deleted all the same',
  'a body that is not what its Content-MD5 says is refused and not stored': 'it does not look at Content-MD5',
  'a body that is not what its checksum says is refused and not stored': 'it stores any body with any checksum',
  'more than 1,000 keys to delete at once are refused': 'it deletes any number',
  'more than a thousand keys a page can be asked for and are not given': 'it gives as many as were asked for',
  'the older listing with a delimiter names the next marker': 'it lists all keys before all common prefixes',
  'a token that was never given out is refused': 'it answers 500',
  'a negative page size is refused': 'it answers 200',
  'an aborted upload is gone, and so is a completed one': 'it answers 500 to the completion of an aborted upload',
  'parts out of order are refused': 'it sees the size of the first before the order',
  'the checksum of the whole is that of the parts, counted': 'its completion tells no checksum',
  'a name that no bucket can have is refused': 'it takes upper case',
};

const moto = findOnPath('moto_server');
if (moto === undefined) {
  process.stderr.write('\nORACLE SKIPPED: moto_server is not on PATH; the S3 contract was not compared with it.\n\n');
} else {
  s3ServiceContract('moto_server', () => startMoto(moto), { deviations: motoDeviations });
}

const awsBucket = process.env.S3_CONTRACT_BUCKET;
if (awsBucket !== undefined && awsBucket !== '') {
  const stop = () => Promise.resolve();
  s3ServiceContract('AWS', () => Promise.resolve({ bucket: awsBucket, stop }), { mayMakeBuckets: false });
}

async function startLocal(): Promise<StartedS3> {
  const db = openDatabase();
  const store = new S3Store(db);
  const faults: unknown[] = [];
  const server = createServer((req, res) => {
    void serveS3(store, req, res).then(({ fault }) => {
      if (fault !== undefined) faults.push(fault);
    });
  });
  const port = await listen(server);
  return {
    endpoint: `http://127.0.0.1:${port}`,
    stop: async () => {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
      db.close();
      if (faults.length > 0) throw new AggregateError(faults, 'The local S3 answered InternalError');
    },
  };
}

async function startMoto(command: string): Promise<StartedS3> {
  const placeholder = createServer();
  const port = await listen(placeholder);
  await new Promise((resolve) => placeholder.close(resolve));
  const child = spawn(command, ['-H', '127.0.0.1', '-p', String(port)], { stdio: 'ignore' });
  const exited = new Promise<void>((resolve) => child.once('exit', () => resolve()));
  const endpoint = `http://127.0.0.1:${port}`;
  while (child.exitCode === null) {
    try {
      await fetch(endpoint);
      return {
        endpoint,
        stop: async () => {
          child.kill('SIGKILL');
          await exited;
        },
      };
    } catch {
      // Not listening yet: Python takes a second or two to start. The test's own timeout bounds this.
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
  }
  throw new Error(`${command} ended with status ${child.exitCode} before it answered`);
}

async function listen(server: ReturnType<typeof createServer>): Promise<number> {
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return (server.address() as AddressInfo).port;
}
