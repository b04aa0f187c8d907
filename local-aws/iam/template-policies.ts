/**
 * Which policies a compiled template attaches to which role, bucket and queue. Refused is what can't be known: policies
 * of AWS other than Lambda's own for logs, boundaries, and a second policy of a bucket or a queue, of which a
 * deployment would keep one.
 */
import { TemplateError } from '../package/errors.ts';
import { resolveValue } from '../package/intrinsics.ts';
import { readResources, type Place } from '../package/references.ts';
import { asList, asRecord, asText, type Properties } from '../package/shape.ts';
import { Policy } from './policy.ts';

/** What it may, and who may take it on. */
export type RolePolicies = { name: string; arn: string; policy: Policy; trust: Policy; where: string };

export type TemplatePolicies = {
  /** By the role's logical id. */
  roles: ReadonlyMap<string, RolePolicies>;
  /** By the ARN of the bucket or the queue. */
  resources: ReadonlyMap<string, Policy>;
};

/** https://docs.aws.amazon.com/aws-managed-policy/latest/reference/AWSLambdaBasicExecutionRole.html */
const basicExecution = 'arn:aws:iam::aws:policy/service-role/AWSLambdaBasicExecutionRole';
const basicExecutionDocument = {
  Statement: [
    { Effect: 'Allow', Action: ['logs:CreateLogGroup', 'logs:CreateLogStream', 'logs:PutLogEvents'], Resource: '*' },
  ],
};

type Attached = { logicalId: string; where: string; properties: Properties };

/** @throws TemplateError naming what can not be enforced */
export function readPolicies(template: Properties, place: Place): TemplatePolicies {
  const { resources, nameOf, scope } = readResources(template, place);
  const ofType = (type: string): Attached[] =>
    [...resources.values()]
      .filter((resource) => resource.type === type)
      .map(({ logicalId, properties }) => {
        const where = `Resources.${logicalId}.Properties`;
        return { logicalId, where, properties: asRecord(resolveValue(properties, scope, where), where) };
      });
  const documentOf = ({ properties, where }: Attached): Policy =>
    Policy.read(properties['PolicyDocument'], 'identity', `${where}.PolicyDocument`);

  const managed = new Map([[basicExecution, Policy.read(basicExecutionDocument, 'identity', basicExecution)]]);
  const ofRoleName = new Map<string, Policy[]>();
  const attach = (attached: Attached, policy: Policy): void => {
    for (const name of asList(attached.properties['Roles'], `${attached.where}.Roles`)) {
      const roleName = asText(name, `${attached.where}.Roles`);
      ofRoleName.set(roleName, [...(ofRoleName.get(roleName) ?? []), policy]);
    }
  };
  for (const attached of ofType('AWS::IAM::Policy')) attach(attached, documentOf(attached));
  for (const attached of ofType('AWS::IAM::ManagedPolicy')) {
    const policy = documentOf(attached);
    managed.set(asText(scope.ref(attached.logicalId, attached.where), attached.where), policy);
    attach(attached, policy);
  }

  const roles = ofType('AWS::IAM::Role').map(({ logicalId, where, properties }) => {
    if (properties['PermissionsBoundary'] !== undefined) {
      throw new TemplateError('NOT_SUPPORTED', `${where}.PermissionsBoundary`, 'the local engine knows no boundaries');
    }
    const name = nameOf(logicalId);
    const inline = asList(properties['Policies'], `${where}.Policies`).map((written, at) => {
      const inside = `${where}.Policies[${at}]`;
      return Policy.read(asRecord(written, inside)['PolicyDocument'], 'identity', `${inside}.PolicyDocument`);
    });
    const byArn = asList(properties['ManagedPolicyArns'], `${where}.ManagedPolicyArns`).map((written) => {
      const policyArn = asText(written, `${where}.ManagedPolicyArns`);
      const policy = managed.get(policyArn);
      if (policy !== undefined) return policy;
      const message = `the local engine does not know what ${policyArn} allows; write its statements into the role`;
      throw new TemplateError('NOT_SUPPORTED', `${where}.ManagedPolicyArns`, message);
    });
    const policy = Policy.join([...inline, ...byArn, ...(ofRoleName.get(name) ?? [])]);
    const trust = Policy.read(properties['AssumeRolePolicyDocument'], 'trust', `${where}.AssumeRolePolicyDocument`);
    const arn = asText(scope.attribute(logicalId, 'Arn', where), where);
    return [logicalId, { name, arn, policy, trust, where }] as const;
  });

  const ofResources = new Map<string, Policy>();
  const protect = ({ properties, where }: Attached, arn: string): void => {
    if (ofResources.has(arn)) throw new TemplateError('BAD_TEMPLATE', where, `${arn} has another policy already`);
    ofResources.set(arn, Policy.read(properties['PolicyDocument'], 'resource', `${where}.PolicyDocument`));
  };
  for (const attached of ofType('AWS::S3::BucketPolicy')) {
    protect(attached, `arn:aws:s3:::${asText(attached.properties['Bucket'], `${attached.where}.Bucket`)}`);
  }
  for (const attached of ofType('AWS::SQS::QueuePolicy')) {
    for (const url of asList(attached.properties['Queues'], `${attached.where}.Queues`)) {
      protect(attached, queueArnOf(asText(url, `${attached.where}.Queues`), place));
    }
  }
  return { roles: new Map(roles), resources: ofResources };
}

/** Of a queue's URL or its bare name. */
export function queueArnOf(queue: string, { region, accountId }: Pick<Place, 'region' | 'accountId'>): string {
  return `arn:aws:sqs:${region}:${accountId}:${queue.slice(queue.lastIndexOf('/') + 1)}`;
}
