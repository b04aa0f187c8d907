/** The ways to deploy, each packaged as `sls package` does it, and kept from one test to the next. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { templateFile } from '../../local-aws/package/load-package.ts';
import { packageService } from '../../local-aws/package/package-service.ts';
import type { Template } from '../../infra/compiled.ts';

export const serviceDir = join(import.meta.dirname, '../..');
const hermesUrl = 'https://hermes.example.com';

const everyOption = {
  hermesTokenSecret: 'hermes-token',
  keepDataDays: '30',
  keepRecordsDays: '20',
  alarmTopicArn: 'arn:aws:sns:us-east-1:123456789012:alarms',
  bucketName: 'another-bucket',
  autoReplay: 'true',
  environmentsData: '7',
};

export const variants = {
  direct: {},
  queue: { trigger: 'queue' },
  'direct, unlimited, every option': { hermesRate: 'unlimited', ...everyOption },
  'queue, unlimited, kept for ever, no dashboard': {
    trigger: 'queue',
    hermesRate: 'unlimited',
    keepRecordsDays: 'forever',
    alarmTopicArn: everyOption.alarmTopicArn,
    dashboard: 'false',
  },
} satisfies Record<string, Record<string, string>>;

export type Variant = keyof typeof variants;
export const variantNames = Object.keys(variants) as Variant[];

export async function packageVariant(
  name: Variant,
  more: Record<string, string> = {},
  stage = 'dev',
): Promise<{ packageDir: string; templatePath: string; template: Template }> {
  const { packageDir } = await packageService({ serviceDir, stage, params: { hermesUrl, ...variants[name], ...more } });
  const templatePath = join(packageDir, templateFile);
  return { packageDir, templatePath, template: JSON.parse(readFileSync(templatePath, 'utf8')) as Template };
}
