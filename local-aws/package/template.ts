/**
 * Reads the CloudFormation template that `serverless package` compiles into what the engine serves. Owns the list of
 * resource types; one that is on neither list is refused by name, so that nothing that a deployment has is silently missing
 * here.
 */
import { TemplateError } from './errors.ts';
import { readEventSourceMapping, refuseTwice } from './event-source-mappings.ts';
import { readFunction, type ResolvedResource } from './functions.ts';
import { resolveValue } from './intrinsics.ts';
import type { Schedule, ServiceModel } from './model.ts';
import { isPermitted, readNotifications, readPermission, type Permission } from './notifications.ts';
import { readQueuePolicy } from './queue-policies.ts';
import { queueUrl, readResources, type Place } from './references.ts';
import { readRule, readSchedule } from './schedules.ts';
import { asRecord, asText, type Properties } from './shape.ts';

/** Types that are read below. */
const served = new Set([
  'AWS::S3::Bucket',
  'AWS::SQS::Queue',
  'AWS::SQS::QueuePolicy',
  'AWS::Lambda::Function',
  'AWS::Lambda::EventInvokeConfig',
  'AWS::Lambda::Permission',
  'AWS::Lambda::EventSourceMapping',
  'AWS::Events::Rule',
  'AWS::Scheduler::Schedule',
  'AWS::IAM::Role',
]);

/** Types that ask for nothing on a single machine: nothing is enforced, watched or encrypted here. */
const nothingToDo = new Set([
  'AWS::Logs::LogGroup',
  'AWS::CloudWatch::Alarm',
  'AWS::CloudWatch::CompositeAlarm',
  'AWS::CloudWatch::Dashboard',
  'AWS::S3::BucketPolicy',
  'AWS::IAM::Policy',
  'AWS::IAM::ManagedPolicy',
  'AWS::Lambda::Version',
  'AWS::SNS::Topic',
  'AWS::SNS::TopicPolicy',
  'AWS::SNS::Subscription',
  'AWS::SecretsManager::Secret',
  'AWS::Scheduler::ScheduleGroup',
]);

/**
 * @param codeDirs folder of each artifact's unpacked code, by the artifact's file name
 * @throws TemplateError naming what can not be honoured
 */
export function readTemplate(template: Properties, place: Place, codeDirs: ReadonlyMap<string, string>): ServiceModel {
  const ofType = readTypes(template, place);
  const permissions = ofType('AWS::Lambda::Permission').map(({ logicalId, properties }) =>
    readPermission(properties, `Resources.${logicalId}.Properties`),
  );
  const roles = ofType('AWS::IAM::Role').map(({ logicalId, name, arn, properties }) => ({
    logicalId,
    name,
    arn,
    properties,
  }));
  const roleLogicalIds = new Map(roles.map(({ arn, logicalId }) => [arn, logicalId]));
  const invokeConfigs = new Map(
    ofType('AWS::Lambda::EventInvokeConfig').map(({ logicalId, properties }) => {
      const name = asText(properties['FunctionName'], `Resources.${logicalId}.Properties.FunctionName`);
      return [name.slice(name.lastIndexOf(':') + 1), properties];
    }),
  );
  const functions = ofType('AWS::Lambda::Function').map((resource) =>
    readFunction(resource, invokeConfigs.get(resource.name), codeDirs, roleLogicalIds),
  );
  const queues = ofType('AWS::SQS::Queue').map(({ logicalId, name, arn, properties }) => ({
    logicalId,
    name,
    arn,
    url: queueUrl(name, place),
    attributes: queueAttributes(properties, `Resources.${logicalId}.Properties`),
  }));
  const queuePolicies = ofType('AWS::SQS::QueuePolicy').map(({ logicalId, properties }) =>
    readQueuePolicy(properties, `Resources.${logicalId}.Properties`),
  );
  const targets = { accountId: place.accountId, permissions, queues, queuePolicies };
  const buckets = ofType('AWS::S3::Bucket').map(({ logicalId, name, properties }) => {
    const where = `Resources.${logicalId}.Properties.NotificationConfiguration`;
    const notifications = readNotifications(properties['NotificationConfiguration'], where, name, targets);
    return { logicalId, name, notifications };
  });
  const eventSourceMappings = ofType('AWS::Lambda::EventSourceMapping').map(({ logicalId, properties }) =>
    readEventSourceMapping(logicalId, properties, { queues, functions }),
  );
  refuseTwice(eventSourceMappings);
  const { accountId, region, stackName } = place;
  return {
    accountId,
    region,
    stackName,
    buckets,
    queues,
    functions,
    eventSourceMappings,
    schedules: readSchedules(ofType, permissions),
    roles,
  };
}

type OfType = (type: string) => ResolvedResource[];

/**
 * @returns the resources of a type, their properties resolved
 * @throws TemplateError for a type that is on neither list
 */
function readTypes(template: Properties, place: Place): OfType {
  const { resources, nameOf, scope } = readResources(template, place);
  for (const { logicalId, type } of resources.values()) {
    if (!served.has(type) && !nothingToDo.has(type)) {
      throw new TemplateError('UNKNOWN_TYPE', `Resources.${logicalId}`, `the local engine knows no ${type}`);
    }
  }
  const arnOf = (logicalId: string, type: string): string =>
    hasArn.has(type) ? asText(scope.attribute(logicalId, 'Arn', `Resources.${logicalId}`), logicalId) : '';
  return (type) =>
    [...resources.values()]
      .filter((resource) => resource.type === type)
      .map((resource) => {
        const where = `Resources.${resource.logicalId}.Properties`;
        const properties = asRecord(resolveValue(resource.properties, scope, where), where);
        return { ...resource, properties, name: nameOf(resource.logicalId), arn: arnOf(resource.logicalId, type) };
      });
}

/** Rules of EventBridge, which need a permission, and schedules of EventBridge Scheduler, which have a role. */
function readSchedules(ofType: OfType, permissions: readonly Permission[]): Schedule[] {
  const ruleSchedules = ofType('AWS::Events::Rule').flatMap(({ logicalId, properties, arn }) => {
    const where = `Resources.${logicalId}.Properties`;
    return readRule(logicalId, properties, where).map((schedule) => {
      const request = { principal: 'events.amazonaws.com', functionArn: schedule.functionArn, sourceArn: arn };
      if (isPermitted(permissions, request)) return schedule;
      throw new TemplateError('NO_PERMISSION', where, `events.amazonaws.com may not invoke ${schedule.functionArn}`);
    });
  });
  const schedules = ofType('AWS::Scheduler::Schedule').map(({ logicalId, properties }) =>
    readSchedule(logicalId, properties, `Resources.${logicalId}.Properties`),
  );
  return [...ruleSchedules, ...schedules];
}

const hasArn = new Set([
  'AWS::S3::Bucket',
  'AWS::SQS::Queue',
  'AWS::Lambda::Function',
  'AWS::IAM::Role',
  'AWS::Events::Rule',
  'AWS::Scheduler::Schedule',
]);

/** SQS takes every attribute as a text, a redrive policy as JSON. The name and the tags are no attributes. */
function queueAttributes(properties: Properties, where: string): Record<string, string> {
  const attributes: Record<string, string> = {};
  for (const [name, value] of Object.entries(properties)) {
    if (name === 'QueueName' || name === 'Tags') continue;
    attributes[name] =
      typeof value === 'object' && value !== null ? JSON.stringify(value) : asText(value, `${where}.${name}`);
  }
  return attributes;
}
