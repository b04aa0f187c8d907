/** A packaged service on a local engine, as a person with the SDK uses it. */
import { InvokeCommand, LambdaClient } from '@aws-sdk/client-lambda';
import { PutObjectCommand, S3Client } from '@aws-sdk/client-s3';
import {
  peoplesCredentials,
  region,
  startLocalAws,
  type LocalAws,
  type LocalAwsOptions,
} from '../../local-aws/index.ts';

export type Deployed = {
  engine: LocalAws;
  /** Writes an object as a person does. */
  drop: (key: string, body: string | Uint8Array) => Promise<void>;
  /** Drops a seed, `{}` if it is not given, and waits until nothing is queued or running. */
  run: (name: string, seed?: object) => Promise<void>;
  /** Calls a function of the service as `sls invoke` does. */
  invoke: (functionName: string, payload: object) => Promise<unknown>;
  /** Bodies by key. */
  objects: (prefix: string) => Map<string, string>;
  json: (key: string) => unknown;
  stop: () => Promise<void>;
};

/** Lambda's own waits are a thousand times shorter unless the options say otherwise. */
export async function startDeployed(packageDir: string, options: LocalAwsOptions): Promise<Deployed> {
  const engine = await startLocalAws(packageDir, { timeScale: 1000, ...options });
  const client = { endpoint: engine.endpoint, region, credentials: peoplesCredentials };
  const s3 = new S3Client(client);
  const lambda = new LambdaClient(client);
  const drop = async (key: string, body: string | Uint8Array): Promise<void> => {
    await s3.send(new PutObjectCommand({ Bucket: engine.bucket, Key: key, Body: Buffer.from(body) }));
  };
  const objects = (prefix: string): Map<string, string> => {
    const found = new Map<string, string>();
    let continuationToken: string | undefined;
    do {
      const page = engine.s3.list(engine.bucket, { prefix, continuationToken });
      for (const { key } of page.contents)
        found.set(key, Buffer.from(engine.s3.get(engine.bucket, key).body).toString());
      continuationToken = page.nextContinuationToken;
    } while (continuationToken !== undefined);
    return found;
  };
  return {
    engine,
    drop,
    objects,
    async run(name, seed = {}) {
      await drop(`seeds/${name}.json`, JSON.stringify(seed));
      await engine.idle();
    },
    async invoke(functionName, payload) {
      const answer = await lambda.send(
        new InvokeCommand({ FunctionName: `s3-cascade-dev-${functionName}`, Payload: JSON.stringify(payload) }),
      );
      const text = new TextDecoder().decode(answer.Payload);
      if (answer.FunctionError !== undefined) throw new Error(text);
      return JSON.parse(text) as unknown;
    },
    json(key) {
      const body = objects(key).get(key);
      return body === undefined ? undefined : (JSON.parse(body) as unknown);
    },
    async stop() {
      s3.destroy();
      lambda.destroy();
      await engine.stop();
    },
  };
}
