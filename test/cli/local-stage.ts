/** `npm run local` with the example and its fake API, and a person's S3 client with the variables that it exports. */
import { GetObjectCommand, PutObjectCommand, S3Client } from '@aws-sdk/client-s3';
import { exportedBy, type createCommands, type Ended } from './command-process.ts';

export type LocalStage = {
  /** What `npm run local` printed when it was ready. */
  printed: string;
  exported: Record<string, string>;
  s3: S3Client;
  put: (key: string, body: string) => Promise<unknown>;
  /** The JSON of an object. */
  read: (key: string) => Promise<unknown>;
  /** A command of `cli/`, with those variables. */
  run: (command: string, args: readonly string[]) => Promise<Ended>;
};

/** One item a level at 20 requests a second; Lambda's waits are a thousandth. */
export async function startLocalStage(commands: ReturnType<typeof createCommands>): Promise<LocalStage> {
  const args = ['--port', '0', '--rate', '20', '--troops', '1', '--warriors', '1', '--groups', '1'];
  const local = commands.launch('cli/local', [...args, '--time-scale', '1000']);
  await local.until('Functions:');
  const printed = local.stdout();
  const exported = exportedBy(printed);
  const { AWS_ACCESS_KEY_ID: accessKeyId = '', AWS_SECRET_ACCESS_KEY: secretAccessKey = '', BUCKET: bucket } = exported;
  const s3 = new S3Client({
    endpoint: exported['AWS_ENDPOINT_URL'] ?? '',
    region: 'us-east-1',
    credentials: { accessKeyId, secretAccessKey },
  });
  commands.closing.push(() => s3.destroy());
  return {
    printed,
    exported,
    s3,
    put: (key, body) => s3.send(new PutObjectCommand({ Bucket: bucket, Key: key, Body: body })),
    async read(key) {
      const found = await s3.send(new GetObjectCommand({ Bucket: bucket, Key: key }));
      return JSON.parse((await found.Body?.transformToString()) ?? '') as unknown;
    },
    run: (command, options) => commands.launch(`cli/${command}`, [...options], { env: exported }).ended,
  };
}
