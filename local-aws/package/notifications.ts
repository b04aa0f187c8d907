/**
 * A bucket's notification rules, refused where S3 or CloudFormation would refuse them: overlapping rules, and a target
 * that S3 may not invoke.
 * https://docs.aws.amazon.com/AmazonS3/latest/userguide/notification-how-to-filtering.html
 */
import { TemplateError } from './errors.ts';
import type { NotificationRule, Queue } from './model.ts';
import { letsS3Send, type QueuePolicy } from './queue-policies.ts';
import { asList, asRecord, asText, optionalText, type Properties } from './shape.ts';

/** Who may invoke what, from the template's `AWS::Lambda::Permission`s. */
export type Permission = {
  principal: string;
  action: string;
  /** A function's name or ARN. */
  functionName: string;
  sourceArn: string | undefined;
};

export function readPermission(properties: Properties, where: string): Permission {
  return {
    principal: asText(properties['Principal'], `${where}.Principal`),
    action: asText(properties['Action'], `${where}.Action`),
    functionName: asText(properties['FunctionName'], `${where}.FunctionName`),
    sourceArn: optionalText(properties['SourceArn'], `${where}.SourceArn`),
  };
}

/** Whether a service may invoke a function on behalf of a source (a bucket, a rule). */
export function isPermitted(
  permissions: readonly Permission[],
  request: { principal: string; functionArn: string; sourceArn: string },
): boolean {
  const name = request.functionArn.slice(request.functionArn.lastIndexOf(':') + 1);
  return permissions.some(
    ({ principal, action, functionName, sourceArn }) =>
      principal === request.principal &&
      ['lambda:InvokeFunction', 'lambda:*', '*'].includes(action) &&
      (functionName === name || functionName === request.functionArn) &&
      (sourceArn === undefined || matchesArn(sourceArn, request.sourceArn)),
  );
}

/** A source ARN may hold `*` (ArnLike). */
function matchesArn(pattern: string, arn: string): boolean {
  const parts = pattern.split('*').map((part) => part.replace(/[.+?^${}()|[\]\\]/g, '\\$&'));
  return new RegExp(`^${parts.join('.*')}$`).test(arn);
}

/** What a rule may name, and who lets S3 in. */
export type Targets = {
  accountId: string;
  permissions: readonly Permission[];
  queues: readonly Queue[];
  queuePolicies: readonly QueuePolicy[];
};

/** @throws TemplateError for a rule that S3 would refuse, or that the engine has no service for */
export function readNotifications(
  configuration: unknown,
  where: string,
  bucketName: string,
  targets: Targets,
): NotificationRule[] {
  const properties = asRecord(configuration, where);
  for (const unsupported of ['TopicConfigurations', 'EventBridgeConfiguration']) {
    if (properties[unsupported] !== undefined) {
      throw new TemplateError('NOT_SUPPORTED', `${where}.${unsupported}`, 'the local engine has no such notification');
    }
  }
  const rules = [
    ...readRules(properties['LambdaConfigurations'], `${where}.LambdaConfigurations`, 'function', 'Function'),
    ...readRules(properties['QueueConfigurations'], `${where}.QueueConfigurations`, 'queue', 'Queue'),
  ];
  for (const [at, rule] of rules.entries()) {
    const overlapping = rules.slice(at + 1).find((other) => overlap(rule, other));
    if (overlapping !== undefined) {
      throw new TemplateError(
        'BAD_TEMPLATE',
        where,
        `S3 refuses rules that overlap for one event type: ${describe(rule)} and ${describe(overlapping)}`,
      );
    }
    refuseWithoutPermission(rule, where, `arn:aws:s3:::${bucketName}`, targets);
  }
  return rules;
}

/** "Unable to validate the following destination configurations" is all that S3 says of it. */
function refuseWithoutPermission(rule: NotificationRule, where: string, bucketArn: string, targets: Targets): void {
  const { permissions, queues, queuePolicies, accountId } = targets;
  const { arn, kind } = rule.target;
  const refuse = (lacks: string): never => {
    throw new TemplateError(
      'NO_PERMISSION',
      where,
      `${describe(rule)} has no ${lacks} for ${bucketArn}; S3 answers "Unable to validate the following destination configurations"`,
    );
  };
  if (kind === 'function') {
    if (isPermitted(permissions, { principal: 's3.amazonaws.com', functionArn: arn, sourceArn: bucketArn })) return;
    refuse(`AWS::Lambda::Permission that lets s3.amazonaws.com invoke ${arn}`);
  }
  const queue = queues.find((candidate) => candidate.arn === arn);
  if (queue === undefined) throw new TemplateError('BAD_TEMPLATE', where, `the template has no queue ${arn}`);
  if (queue.attributes['FifoQueue'] === 'true') {
    throw new TemplateError('BAD_TEMPLATE', where, `S3 sends to standard queues, not to the FIFO queue ${arn}`);
  }
  if (letsS3Send(queuePolicies, { queue, bucketArn, accountId })) return;
  refuse(`AWS::SQS::QueuePolicy that lets s3.amazonaws.com do sqs:SendMessage on ${arn}`);
}

function readRules(
  list: unknown,
  where: string,
  kind: NotificationRule['target']['kind'],
  targetProperty: 'Function' | 'Queue',
): NotificationRule[] {
  return asList(list, where).map((written, at) => {
    const inside = `${where}[${at}]`;
    const rule = asRecord(written, inside);
    const event = asText(rule['Event'], `${inside}.Event`);
    if (!event.startsWith('s3:ObjectCreated:')) {
      throw new TemplateError('NOT_SUPPORTED', `${inside}.Event`, `the local engine sends no ${event}`);
    }
    const filter = { prefix: '', suffix: '' };
    const s3Key = asRecord(asRecord(rule['Filter'], inside)['S3Key'], inside);
    for (const [index, row] of asList(s3Key['Rules'], inside).entries()) {
      const { Name: name, Value: value } = asRecord(row, inside);
      const place = `${inside}.Filter.S3Key.Rules[${index}]`;
      const side = asText(name, place).toLowerCase();
      if (side !== 'prefix' && side !== 'suffix') {
        throw new TemplateError('BAD_TEMPLATE', place, `a filter's name is prefix or suffix, not ${side}`);
      }
      filter[side] = asText(value, place);
    }
    const target = { kind, arn: asText(rule[targetProperty], `${inside}.${targetProperty}`) };
    return { id: `${kind}-${at + 1}`, event, ...filter, target };
  });
}

/** Two rules overlap when one key can match both for one event type. */
function overlap(one: NotificationRule, other: NotificationRule): boolean {
  const within = (left: string, right: string): boolean => left === right || left.endsWith('*') || right.endsWith('*');
  return (
    within(one.event, other.event) &&
    (one.prefix.startsWith(other.prefix) || other.prefix.startsWith(one.prefix)) &&
    (one.suffix.endsWith(other.suffix) || other.suffix.endsWith(one.suffix))
  );
}

function describe(rule: NotificationRule): string {
  return `${rule.event} prefix "${rule.prefix}" suffix "${rule.suffix}"`;
}
