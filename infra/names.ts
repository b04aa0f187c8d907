/** What things are called, in the template and in the account. */
import type { Level } from '../shared/engine/chain/chain.ts';
import type { Deployment } from './deployment.ts';

/** A value that CloudFormation works out. */
export type Intrinsic = Readonly<Record<string, unknown>>;

type Named = Pick<Deployment, 'service' | 'stage'>;
type NamedLevel = Pick<Level, 'name'>;

/** @param name e.g. fetchTopThings or top_things @returns the same as a logical id, e.g. FetchTopThings, TopThings */
export const logicalId = (name: string): string =>
  name.replaceAll(/(?:^|_)([a-z0-9])/g, (_, letter: string) => letter.toUpperCase());

/** The logical ids of a function, by its name in serverless.yml, as the framework makes them. */
export const functionId = (name: string): string => `${logicalId(name)}LambdaFunction`;
export const invokeConfigId = (name: string): string => `${logicalId(name)}LambdaEvConf`;
export const roleId = (name: string): string => `${logicalId(name)}Role`;
export const permissionId = (name: string): string => `${logicalId(name)}LambdaPermissionCascadeS3`;

export const functionName = ({ service, stage }: Named, name: string): string => `${service}-${stage}-${name}`;

/** What a level has queues for. */
export type QueueKind = 'dead-letters' | 'waiting' | 'trigger';
export const queueId = ({ name }: NamedLevel, kind: QueueKind): string =>
  `${logicalId(name)}${{ 'dead-letters': 'DeadLetters', waiting: 'Waiting', trigger: 'Trigger' }[kind]}`;
export const queueName = ({ service, stage }: Named, { name }: NamedLevel, kind: QueueKind): string =>
  `${service}-${stage}-${name.replaceAll('_', '-')}-${kind}`;

export const bucketId = 'S3BucketCascade';

/** Roles need it before the bucket is there. A name that is written out needs no Fn::Sub, and cfn-lint minds one. */
export const bucketName = ({ parameters }: Pick<Deployment, 'parameters'>): string | Intrinsic =>
  parameters.bucketName.includes('${') ? { 'Fn::Sub': parameters.bucketName } : parameters.bucketName;

export const bucketArn = (deployment: Pick<Deployment, 'parameters'>): Intrinsic => ({
  'Fn::Sub': arnText(deployment),
});
/** @param key may hold wildcards, as in a policy */
export const objectArn = (deployment: Pick<Deployment, 'parameters'>, key: string): Intrinsic => ({
  'Fn::Sub': `${arnText(deployment)}/${key}`,
});
const arnText = ({ parameters }: Pick<Deployment, 'parameters'>): string =>
  `arn:\${AWS::Partition}:s3:::${parameters.bucketName}`;

/** Where stages that share an API have the control objects of their rate; empty: this stage shares it with none. */
export const sharedBucketName = ({ parameters }: Pick<Deployment, 'parameters'>): string | Intrinsic => {
  const name = parameters.rateBucket ?? '';
  return name.includes('${') ? { 'Fn::Sub': name } : name;
};
/** @param key within the prefix; without one, the bucket itself */
export const sharedArn = ({ parameters }: Pick<Deployment, 'parameters'>, key?: string): Intrinsic => {
  const path = key === undefined ? '' : `/${parameters.ratePrefix ?? ''}${key}`;
  return { 'Fn::Sub': `arn:\${AWS::Partition}:s3:::${parameters.rateBucket ?? ''}${path}` };
};

export const arnOf = (id: string): Intrinsic => ({ 'Fn::GetAtt': [id, 'Arn'] });
export const ref = (id: string): Intrinsic => ({ Ref: id });
