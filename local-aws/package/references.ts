/**
 * What `Ref` and `Fn::GetAtt` answer for each kind of resource, and the names that CloudFormation would make up.
 * Each page of the resource reference has the section "Return values".
 */
import { TemplateError } from './errors.ts';
import { asRecord, asText, isRecord, type Properties } from './shape.ts';
import { asCondition, noValue, resolveValue, type Scope } from './intrinsics.ts';

/** Where the engine stands: what differs from one account to another. */
export type Place = {
  accountId: string;
  region: string;
  stackName: string;
  /** `http://127.0.0.1:4566`, which queue URLs begin with. */
  endpoint: string;
};

export type Resource = { logicalId: string; type: string; properties: Properties };

/** A kind of resource: the property that names it, what `Ref` gives, and its attributes. */
type Kind = {
  name: string;
  ref: (name: string, place: Place) => string;
  attributes: Record<string, (name: string, place: Place) => string>;
};

const arn =
  (service: string, prefix: string, suffix = '') =>
  (name: string, place: Place): string =>
    `arn:aws:${service}:${place.region}:${place.accountId}:${prefix}${name}${suffix}`;
const iamArn =
  (prefix: string) =>
  (name: string, place: Place): string =>
    `arn:aws:iam::${place.accountId}:${prefix}${name}`;
const itself = (name: string): string => name;

/** LocalStack and the CLI agree on this form. */
export const queueUrl = (name: string, place: Place): string => `${place.endpoint}/${place.accountId}/${name}`;

const kinds: Record<string, Kind> = {
  'AWS::S3::Bucket': {
    name: 'BucketName',
    ref: itself,
    attributes: { Arn: (name) => `arn:aws:s3:::${name}`, DomainName: (name) => `${name}.s3.amazonaws.com` },
  },
  'AWS::SQS::Queue': {
    name: 'QueueName',
    ref: queueUrl,
    attributes: { Arn: arn('sqs', ''), QueueName: itself, QueueUrl: queueUrl },
  },
  'AWS::Lambda::Function': { name: 'FunctionName', ref: itself, attributes: { Arn: arn('lambda', 'function:') } },
  'AWS::IAM::Role': { name: 'RoleName', ref: itself, attributes: { Arn: iamArn('role/'), RoleId: itself } },
  'AWS::IAM::ManagedPolicy': { name: 'ManagedPolicyName', ref: iamArn('policy/'), attributes: {} },
  'AWS::Logs::LogGroup': {
    name: 'LogGroupName',
    ref: itself,
    attributes: { Arn: arn('logs', 'log-group:', ':*') },
  },
  'AWS::SNS::Topic': {
    name: 'TopicName',
    ref: arn('sns', ''),
    attributes: { TopicArn: arn('sns', ''), TopicName: itself },
  },
  'AWS::SecretsManager::Secret': {
    name: 'Name',
    ref: arn('secretsmanager', 'secret:', '-local1'),
    attributes: { Id: arn('secretsmanager', 'secret:', '-local1') },
  },
  'AWS::Events::Rule': { name: 'Name', ref: itself, attributes: { Arn: arn('events', 'rule/') } },
  'AWS::Scheduler::Schedule': {
    name: 'Name',
    ref: itself,
    attributes: { Arn: arn('scheduler', 'schedule/default/') },
  },
  'AWS::CloudWatch::Alarm': { name: 'AlarmName', ref: itself, attributes: { Arn: arn('cloudwatch', 'alarm:') } },
};

type Resources = {
  readonly resources: ReadonlyMap<string, Resource>;
  /** The name that is written, or the one that CloudFormation makes up. */
  readonly nameOf: (logicalId: string) => string;
  readonly scope: Scope;
};

/** Resources by logical id, without those whose condition is false, and the scope that resolves their properties. */
export function readResources(template: Properties, place: Place): Resources {
  const resources = new Map<string, Resource>();
  const find = (logicalId: string, where: string): Resource => {
    const resource = resources.get(logicalId);
    if (resource === undefined) throw new TemplateError('BAD_TEMPLATE', where, `there is no resource ${logicalId}`);
    return resource;
  };
  const nameOf = namesOf(find, place, () => scope);
  const scope: Scope = createScope(template, place, { find, nameOf });
  for (const [logicalId, written] of Object.entries(asRecord(template['Resources'], 'Resources'))) {
    const where = `Resources.${logicalId}`;
    const body = asRecord(written, where);
    if (typeof body['Condition'] === 'string' && !scope.condition(body['Condition'], where)) continue;
    const properties = asRecord(body['Properties'], `${where}.Properties`);
    resources.set(logicalId, { logicalId, type: asText(body['Type'], `${where}.Type`), properties });
  }
  return { resources, nameOf, scope };
}

type Find = (logicalId: string, where: string) => Resource;

/** Each is worked out once, and one that refers to itself is refused. */
function namesOf(find: Find, place: Place, scope: () => Scope): Resources['nameOf'] {
  const names = new Map<string, string>();
  const naming = new Set<string>();
  return (logicalId) => {
    const known = names.get(logicalId);
    if (known !== undefined) return known;
    const resource = find(logicalId, `Resources.${logicalId}`);
    const property = kinds[resource.type]?.name;
    const where = `Resources.${logicalId}.Properties.${property ?? 'Name'}`;
    if (naming.has(logicalId)) throw new TemplateError('BAD_TEMPLATE', where, 'the name refers to itself');
    naming.add(logicalId);
    const written = property === undefined ? undefined : resolveValue(resource.properties[property], scope(), where);
    naming.delete(logicalId);
    const name =
      written === undefined || written === noValue ? madeUpName(resource, place.stackName) : asText(written, where);
    names.set(logicalId, name);
    return name;
  };
}

function createScope(
  template: Properties,
  place: Place,
  { find, nameOf }: { find: Find; nameOf: Resources['nameOf'] },
): Scope {
  const parameters = asRecord(template['Parameters'], 'Parameters');
  const conditions = asRecord(template['Conditions'], 'Conditions');
  const mappings = asRecord(template['Mappings'], 'Mappings');
  const pseudo = pseudoParameters(place);
  const scope: Scope = {
    ref(name, where) {
      if (Object.hasOwn(pseudo, name)) return pseudo[name];
      if (Object.hasOwn(parameters, name)) {
        const parameter = asRecord(parameters[name], `Parameters.${name}`);
        if (!('Default' in parameter)) {
          throw new TemplateError('BAD_TEMPLATE', where, `the parameter ${name} has no default value`);
        }
        return parameter['Default'];
      }
      const resource = find(name, where);
      if (resource.type === 'AWS::Lambda::Version') {
        return `${asText(resolveValue({ 'Fn::GetAtt': [functionOf(resource), 'Arn'] }, scope, where), where)}:1`;
      }
      const kind = kinds[resource.type];
      return kind === undefined ? resource.logicalId : kind.ref(nameOf(name), place);
    },
    attribute(logicalId, attribute, where) {
      const resource = find(logicalId, where);
      const read = kinds[resource.type]?.attributes[attribute];
      if (read === undefined) {
        throw new TemplateError(
          'NOT_SUPPORTED',
          where,
          `the attribute ${attribute} of a ${resource.type} is not known`,
        );
      }
      return read(nameOf(logicalId), place);
    },
    condition(name, where) {
      if (!Object.hasOwn(conditions, name)) {
        throw new TemplateError('BAD_TEMPLATE', where, `there is no condition ${name}`);
      }
      return asCondition(conditions[name], scope, `Conditions.${name}`);
    },
    mapping(map, first, second, where) {
      const value = asRecord(asRecord(mappings[map], where)[first], where)[second];
      if (value === undefined) throw new TemplateError('BAD_TEMPLATE', where, `no ${second} in ${map}.${first}`);
      return value;
    },
  };
  return scope;
}

function pseudoParameters(place: Place): Record<string, unknown> {
  return {
    'AWS::AccountId': place.accountId,
    'AWS::Region': place.region,
    'AWS::Partition': 'aws',
    'AWS::StackName': place.stackName,
    'AWS::StackId': `arn:aws:cloudformation:${place.region}:${place.accountId}:stack/${place.stackName}/local`,
    'AWS::URLSuffix': 'amazonaws.com',
    'AWS::NoValue': noValue,
  };
}

function functionOf(version: Resource): string {
  const name = version.properties['FunctionName'];
  const where = `Resources.${version.logicalId}.Properties.FunctionName`;
  return asText(isRecord(name) ? (name['Ref'] ?? asFirst(name['Fn::GetAtt'])) : name, where);
}

function asFirst(list: unknown): unknown {
  return Array.isArray(list) ? (list as unknown[])[0] : undefined;
}

/** CloudFormation adds random letters; here the same template always gives the same name. */
function madeUpName(resource: Resource, stackName: string): string {
  const name = `${stackName}-${resource.logicalId}`;
  return resource.type === 'AWS::S3::Bucket' ? name.toLowerCase().slice(0, 63) : name.slice(0, 64);
}
