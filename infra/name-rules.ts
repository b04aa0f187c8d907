/** Names that AWS refuses, some of them only after minutes of deploying. */
import { at, ofType, type Template } from './compiled.ts';

type Limit = { type: string; property: string; what: string; most: number };
const limits: readonly Limit[] = [
  { type: 'AWS::Lambda::Function', property: 'FunctionName', what: 'function', most: 64 },
  { type: 'AWS::SQS::Queue', property: 'QueueName', what: 'queue', most: 80 },
  { type: 'AWS::S3::Bucket', property: 'BucketName', what: 'bucket', most: 63 },
  { type: 'AWS::CloudWatch::Alarm', property: 'AlarmName', what: 'alarm', most: 255 },
  { type: 'AWS::CloudWatch::Dashboard', property: 'DashboardName', what: 'dashboard', most: 255 },
];

/** @param stage it is in most of the names @returns one line for each problem */
export function nameProblems(template: Template, stage: string): string[] {
  const problems: string[] = [];
  const fits: number[] = [];
  for (const { type, property, what, most } of limits) {
    const names = ofType(template, type).flatMap(([, properties]) => written(properties[property]) ?? []);
    const longest = names.reduce((long, name) => (name.length > long.length ? name : long), '');
    if (longest.length > most) {
      problems.push(`The ${what} name ${longest} has ${longest.length} letters; AWS allows ${most}.`);
      if (longest.includes(stage)) fits.push(Math.max(0, stage.length - (longest.length - most)));
    }
    if (what === 'bucket') problems.push(...names.flatMap(bucketNameProblems));
  }
  if (fits.length > 0)
    problems.push(`The stage ${stage} has ${stage.length} letters; at most ${Math.min(...fits)} fit.`);
  return problems;
}

/** An account's number has twelve digits, and a region's name is about as long as this one. */
const pseudoParameters: Readonly<Record<string, string>> = {
  'AWS::AccountId': '123456789012',
  'AWS::Region': 'us-east-1',
  'AWS::Partition': 'aws',
};

function written(name: unknown): string | undefined {
  const text = typeof name === 'string' ? name : at(name, 'Fn::Sub');
  if (typeof text !== 'string') return undefined;
  return text.replaceAll(/\$\{([\w:]+)\}/g, (whole, pseudo: string) => pseudoParameters[pseudo] ?? whole);
}

type Rule = { isBroken: (name: string) => boolean; says: string };

const reservedPrefixes = ['xn--', 'sthree-', 'amzn-s3-demo-'];
const reservedSuffixes = ['-s3alias', '--ol-s3', '.mrap', '--x-s3', '--table-s3', '-an'];

/** Page bucketnamingrules, all but the length, which `limits` has for the long end. */
const bucketRules: readonly Rule[] = [
  { isBroken: (name) => name.length < 3, says: 'must have at least 3 letters' },
  {
    isBroken: (name) => !/^[a-z0-9.-]*$/.test(name),
    says: 'may have lower-case letters, digits, hyphens and periods only: change the stage, or give bucketName',
  },
  {
    isBroken: (name) => !/^[a-z0-9](.*[a-z0-9])?$/i.test(name),
    says: 'must begin and end with a letter or a digit',
  },
  { isBroken: (name) => name.includes('..'), says: 'must not have two periods side by side' },
  { isBroken: (name) => /^\d+\.\d+\.\d+\.\d+$/.test(name), says: 'must not look like an IP address' },
  {
    isBroken: (name) => reservedPrefixes.some((prefix) => name.startsWith(prefix)),
    says: `must not begin with ${reservedPrefixes.join(', ')}`,
  },
  {
    isBroken: (name) => reservedSuffixes.some((suffix) => name.endsWith(suffix)),
    says: `must not end with ${reservedSuffixes.join(', ')}`,
  },
];

/** @returns which of AWS's rules a bucket's name breaks, one line each */
export function bucketNameProblems(name: string): string[] {
  return bucketRules.filter(({ isBroken }) => isBroken(name)).map(({ says }) => `The bucket name ${name} ${says}.`);
}
