/** The ways to deploy the example, Hermes, each packaged as `sls package` does it, once for all tests. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { packageService, templateFile } from '../../local-aws/index.ts';
import type { Template } from '../../infra/compiled.ts';

export const serviceDir = join(import.meta.dirname, '../..');

/** The name that the packages of the unlimited ways know the API's token by. */
export const secretName = 'api-token';

const common = { apiUrl: 'https://api.example.com' };
const alarmTopicArn = 'arn:aws:sns:us-east-1:123456789012:alarms';

export const variants = {
  direct: common,
  queue: { ...common, trigger: 'queue', rate: '20', autoReplay: 'true', autoReplayRate: '7' },
  'direct, unlimited, every option': {
    ...common,
    apiTokenSecret: secretName,
    rate: 'unlimited',
    keepDataDays: '30',
    keepRecordsDays: '20',
    alarmTopicArn,
    bucketName: 'another-bucket',
  },
  'queue, unlimited, kept for ever, no dashboard': {
    ...common,
    apiTokenSecret: secretName,
    trigger: 'queue',
    rate: 'unlimited',
    keepRecordsDays: 'forever',
    alarmTopicArn,
    bucketName: 'another-bucket',
    dashboard: 'false',
  },
} satisfies Record<string, Record<string, string>>;

export type Variant = keyof typeof variants;
export const variantNames = Object.keys(variants) as Variant[];

export type PackagedVariant = { packageDir: string; templatePath: string; template: Template };

/** The first that asks makes the package; it is kept in `.local/`, also for the next run of the tests. */
export async function packageVariant(name: Variant): Promise<PackagedVariant> {
  const { packageDir } = await packageService({ serviceDir, stage: 'dev', params: variants[name] });
  const templatePath = join(packageDir, templateFile);
  return { packageDir, templatePath, template: JSON.parse(readFileSync(templatePath, 'utf8')) as Template };
}
