/** A change of the rate, as `npm run rate` and the page make it: what is set in the bucket, and never what is not understood. */
import { GetObjectCommand, NoSuchKey, PutObjectCommand, type S3Client } from '@aws-sdk/client-s3';
import { rateKey } from '../../shared/engine/chain/keys.ts';
import { InputError } from '../../shared/engine/errors.ts';
import { parseRateSetting } from '../../shared/engine/rate/rate-setting.ts';
import type { RateReport } from '../../shared/engine/recovery/apply-rate.ts';
import { UsageError } from '../terminal/options.ts';
import { DeploymentError } from './function-client.ts';

/** What the function `rate` answers. */
export type RateAnswer = RateReport & { bucket: string };

type Setting = { requestsPerSecond?: number | 'auto'; paused?: boolean };

export type RateChange = (setting: Setting) => Setting;

/** @throws UsageError */
export function rateChangeOf(wish: string): (setting: Setting) => Setting {
  if (wish === 'pause') return (setting) => ({ ...setting, paused: true });
  // A rate of 0 is a pause, too; what it was before is not known.
  if (wish === 'resume')
    return ({ requestsPerSecond: rate }) => (rate === undefined || rate === 0 ? {} : { requestsPerSecond: rate });
  if (wish === 'default') return () => ({});
  if (wish === 'auto') return () => ({ requestsPerSecond: 'auto' });
  if (/^\d+(\.\d+)?$/.test(wish)) return () => ({ requestsPerSecond: Number(wish) });
  throw new UsageError(
    `The rate must be a number of requests a second, auto, pause, resume or default, not ${JSON.stringify(wish)}.`,
  );
}

/** @throws UsageError for a rate that the deployment can't keep; DeploymentError when the bucket can't be written */
export async function setRate(report: RateAnswer, change: RateChange, s3: S3Client): Promise<void> {
  const { requestsPerSecond: wanted = 0 } = change({});
  if (report.deployed === 'unlimited' && (wanted === 'auto' || wanted > 0))
    throw new UsageError(
      'This deployment has no rate, so nothing bounds its environments and it can keep none: deploy it with --param rate=NUMBER, or start npm run local with --rate NUMBER. pause, resume and default work.',
    );
  try {
    const body = JSON.stringify(change(await currentSetting(s3, report.bucket)));
    parseRateSetting(body, report);
    await s3.send(
      new PutObjectCommand({ Bucket: report.bucket, Key: rateKey, Body: body, ContentType: 'application/json' }),
    );
  } catch (error) {
    if (error instanceof InputError) throw new UsageError(error.message.replace(/^Bad input: /, ''), { cause: error });
    if (!(error instanceof Error)) throw error;
    const where = `s3://${report.bucket}/${rateKey}`;
    throw new DeploymentError(`${where} could not be set: ${error.name}: ${error.message}`, { cause: error });
  }
}

/** What is set now, so that a pause keeps its rate; nothing when it is invalid, since it is about to be replaced. */
async function currentSetting(s3: S3Client, bucket: string): Promise<Setting> {
  try {
    const { Body: body } = await s3.send(new GetObjectCommand({ Bucket: bucket, Key: rateKey }));
    const value: unknown = JSON.parse((await body?.transformToString()) ?? '');
    return typeof value === 'object' && value !== null ? value : {};
  } catch (error) {
    if (error instanceof NoSuchKey || error instanceof SyntaxError) return {};
    throw error;
  }
}

export function isRate(answer: unknown): answer is RateAnswer {
  return typeof answer === 'object' && answer !== null && 'bucket' in answer && 'requestsPerSecond' in answer;
}
