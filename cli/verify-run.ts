/** `npm run verify-run`: whether a complete run is still what it was when it was marked complete. */
import { createHash } from 'node:crypto';
import { GetObjectCommand, paginateListObjectsV2, S3Client } from '@aws-sdk/client-s3';
import { forEachConcurrently } from '../shared/engine/concurrency.ts';
import type { SweepRequest, SweptRun } from '../shared/engine/recovery/sweep.ts';
import type { SweepAnswer } from '../shared/lambda/sweep-answer.ts';
import { askDeployment, createFunctionClient, DeploymentError } from './run/function-client.ts';
import { count, plural } from './terminal/format.ts';
import { flag, helpOf, readOptions, refuseSwallowed, text, UsageError } from './terminal/options.ts';
import { checkRunName } from './terminal/run-name.ts';

const command = 'npm run verify-run --';

const verifyOptions = {
  run: text('NAME', 'the run to verify'),
  deep: flag('read every result, and compare its bytes with the checksums that S3 keeps'),
  json: flag('print one JSON object on stdout, and nothing else there'),
  stage: text('STAGE', 'the stage that is deployed (default: dev)'),
  region: text('REGION', 'where it is deployed (default: AWS_REGION, or what the profile says)'),
  help: flag('this text'),
};

const help = `Verifies a run: takes a census, and compares the keys and ETags of all items and results with those of the moment when
the run was marked complete. It changes nothing.

  npm run verify-run -- --run r1
  npm run verify-run -- --run r1 --deep

${helpOf(verifyOptions)}

Exit status: 0 when the run is complete and unchanged, 1 when it is not, 3 when an option is wrong or there was no answer.
`;

export type Verification = {
  run: string;
  complete: boolean;
  /** What is another than it was; undefined: the run was never marked complete. */
  changes: readonly string[] | undefined;
  results: number;
  /** Objects that hold them. */
  resultObjects: number;
  resultBytes: number;
  /** With --deep: the objects whose bytes are not those that S3's ETag or checksum tells; undefined without it. */
  damaged: readonly string[] | undefined;
};

/** Results that are read at the same time. */
const readsAtOnce = 16;
const shownResults = 10;

async function main(): Promise<number> {
  refuseSwallowed(verifyOptions, process.env, command);
  const options = readOptions(verifyOptions, process.argv.slice(2), command);
  if (options.help === true) {
    process.stdout.write(help);
    return 0;
  }
  if (options.run === undefined) throw new UsageError('--run NAME is needed: which run?');
  const run = checkRunName(options.run);
  const { stage = 'dev', region } = options;
  const client = await createFunctionClient<SweepRequest, SweepAnswer>('sweep', isSweep, { stage, region });
  const s3 = new S3Client(region === undefined ? {} : { region });
  try {
    const answer = await client.ask({ run, verify: true, dryRun: true });
    const [swept] = answer.runs;
    if (swept === undefined)
      throw new DeploymentError(`The census of ${run} ran out of time; try again when less is going on.`);
    const verification = await verify(swept, answer, s3, options.deep === true);
    process.stdout.write(options.json === true ? `${JSON.stringify(verification)}\n` : pageOf(verification));
    return isSound(verification) ? 0 : 1;
  } finally {
    client.close();
    s3.destroy();
  }
}

async function verify(
  { run, complete, changes, levels }: SweptRun,
  { bucket, resultPrefix }: SweepAnswer,
  s3: S3Client,
  isDeep: boolean,
): Promise<Verification> {
  const damaged: string[] = [];
  let [resultObjects, resultBytes] = [0, 0];
  const prefix = `${resultPrefix}/${run}`;
  const place = { Bucket: bucket, Prefix: `${prefix}/` };
  try {
    for await (const { Contents: page = [] } of paginateListObjectsV2({ client: s3 }, place)) {
      const objects = page.filter(({ Key: key = '' }) => !key.endsWith('/_SUCCESS'));
      resultObjects += objects.length;
      resultBytes += objects.reduce((sum, { Size: bytes = 0 }) => sum + bytes, 0);
      if (!isDeep) continue;
      await forEachConcurrently(objects, readsAtOnce, async ({ Key: key = '' }) => {
        if (!(await isWhole(s3, bucket, key))) damaged.push(key);
      });
    }
  } catch (error) {
    const { name, message } = error as Error;
    throw new DeploymentError(`s3://${bucket}/${prefix}/ could not be read: ${name}: ${message}`, { cause: error });
  }
  const results = levels.at(-1)?.done ?? 0;
  return { run, complete, changes, results, resultObjects, resultBytes, damaged: isDeep ? damaged : undefined };
}

/** The SDK compares a checksum that S3 keeps; the ETag of an object that was put in one request is the MD5 of its bytes. */
async function isWhole(s3: S3Client, bucket: string, key: string): Promise<boolean> {
  try {
    const { Body: body, ETag: eTag = '' } = await s3.send(
      new GetObjectCommand({ Bucket: bucket, Key: key, ChecksumMode: 'ENABLED' }),
    );
    const bytes = (await body?.transformToByteArray()) ?? new Uint8Array();
    const md5 = eTag.replaceAll('"', '');
    return !/^[0-9a-f]{32}$/.test(md5) || createHash('md5').update(bytes).digest('hex') === md5;
  } catch (error) {
    if (/checksum mismatch/i.test((error as Error).message)) return false;
    throw error;
  }
}

function isSound({ complete, changes, damaged }: Verification): boolean {
  return complete && changes?.length === 0 && (damaged ?? []).length === 0;
}

function pageOf(verification: Verification): string {
  const { run, complete, changes, results, resultObjects, resultBytes, damaged } = verification;
  const sizes = `${plural(results, 'result')} in ${plural(resultObjects, 'object')}, ${count(resultBytes)} bytes`;
  if (isSound(verification)) {
    const read = damaged === undefined ? '' : ' Every object was read.';
    return `Run ${run} is complete, and unchanged since it was marked complete: ${sizes}.${read}\n`;
  }
  const lines = [`Run ${run} is NOT sound: ${sizes}.`];
  if (!complete) lines.push(`It is not complete: npm run status -- --run ${run} --fresh`);
  if (complete && changes === undefined) lines.push('It has no success marker yet: the next sweep writes it.');
  if (changes !== undefined && changes.length > 0)
    lines.push(
      `Since it was marked complete, objects were overwritten, deleted or added: ${changes.join(', ')}.`,
      'Delete what is wrong, and the success marker, then sweep the run.',
    );
  for (const key of (damaged ?? []).slice(0, shownResults))
    lines.push(`The bytes of ${key} are not those that S3 received.`);
  const more = (damaged ?? []).length - shownResults;
  if (more > 0) lines.push(`and ${plural(more, 'other object')}.`);
  return `${lines.join('\n')}\n`;
}

function isSweep(answer: unknown): answer is SweepAnswer {
  return typeof answer === 'object' && answer !== null && 'runs' in answer && 'resultPrefix' in answer;
}

await askDeployment(main);
