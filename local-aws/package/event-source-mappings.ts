/**
 * Event source mappings from SQS to a function, refused where Lambda's CreateEventSourceMapping would refuse them, and where
 * they ask for what the engine does not do.
 * https://docs.aws.amazon.com/lambda/latest/api/API_CreateEventSourceMapping.html
 */
import { bareFunctionName } from '../lambda/definition.ts';
import { TemplateError } from './errors.ts';
import type { EventSourceMapping, Queue, ServiceFunction } from './model.ts';
import { asList, asNumber, asRecord, asText, type Properties } from './shape.ts';

/** https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/aws-resource-lambda-eventsourcemapping.html */
const honoured = new Set([
  'BatchSize',
  'Enabled',
  'EventSourceArn',
  'FunctionName',
  'FunctionResponseTypes',
  'MaximumBatchingWindowInSeconds',
  'ScalingConfig',
]);
/** They ask for nothing here. */
const ignored = new Set(['Tags']);

const defaultBatchSize = 10;
/** More messages a batch need a window to come together in. */
const largestBatchWithoutWindow = 10;

/** @throws TemplateError naming what is refused */
export function readEventSourceMapping(
  logicalId: string,
  properties: Properties,
  { queues, functions }: { queues: readonly Queue[]; functions: readonly ServiceFunction[] },
): EventSourceMapping {
  const where = `Resources.${logicalId}.Properties`;
  for (const name of Object.keys(properties)) {
    if (honoured.has(name) || ignored.has(name)) continue;
    throw new TemplateError('NOT_SUPPORTED', `${where}.${name}`, 'the local engine has no such event source mapping');
  }
  const queue = sourceQueue(properties['EventSourceArn'], `${where}.EventSourceArn`, queues);
  const target = asText(properties['FunctionName'], `${where}.FunctionName`);
  const name = bareFunctionName(target);
  const definition = functions.find((candidate) => candidate.name === name);
  if (definition === undefined) {
    throw new TemplateError('BAD_TEMPLATE', `${where}.FunctionName`, `the template has no function ${target}`);
  }
  const visibilitySeconds = Number(queue.attributes['VisibilityTimeout'] ?? 30);
  if (visibilitySeconds * 1000 < definition.timeoutMs) {
    throw new TemplateError(
      'BAD_TEMPLATE',
      `${where}.EventSourceArn`,
      `Lambda refuses it: "Queue visibility timeout: ${visibilitySeconds} seconds is less than Function timeout: ${definition.timeoutMs / 1000} seconds"`,
    );
  }
  const batchSize = whole(properties, 'BatchSize', where, 1, 10_000) ?? defaultBatchSize;
  const windowSeconds = whole(properties, 'MaximumBatchingWindowInSeconds', where, 0, 300) ?? 0;
  if (batchSize > largestBatchWithoutWindow && windowSeconds < 1) {
    const message = `a BatchSize above ${largestBatchWithoutWindow} needs a window of at least 1 second`;
    throw new TemplateError('BAD_TEMPLATE', `${where}.MaximumBatchingWindowInSeconds`, message);
  }
  const scaling = asRecord(properties['ScalingConfig'], `${where}.ScalingConfig`);
  const maximumConcurrency = whole(scaling, 'MaximumConcurrency', `${where}.ScalingConfig`, 2, 1_000);
  const responseTypes = asList(properties['FunctionResponseTypes'], `${where}.FunctionResponseTypes`);
  for (const type of responseTypes) {
    if (type === 'ReportBatchItemFailures') continue;
    const message = `a function response type is ReportBatchItemFailures, not ${asText(type, where)}`;
    throw new TemplateError('BAD_TEMPLATE', `${where}.FunctionResponseTypes`, message);
  }
  return {
    logicalId,
    sourceArn: queue.arn,
    functionName: name,
    enabled: !['false', false].includes(properties['Enabled'] as string | boolean),
    batchSize,
    batchingWindowMs: windowSeconds * 1000,
    ...(maximumConcurrency !== undefined && { maximumConcurrency }),
    reportsBatchItemFailures: responseTypes.length > 0,
  };
}

/** @throws TemplateError when two map the same queue to the same function, as Lambda does (ResourceConflictException) */
export function refuseTwice(mappings: readonly EventSourceMapping[]): void {
  const seen = new Map<string, string>();
  for (const { logicalId, sourceArn, functionName } of mappings) {
    const what = `${sourceArn} to ${functionName}`;
    const other = seen.get(what);
    if (other !== undefined) {
      throw new TemplateError('BAD_TEMPLATE', `Resources.${logicalId}`, `${other} maps ${what} already`);
    }
    seen.set(what, logicalId);
  }
}

function sourceQueue(written: unknown, where: string, queues: readonly Queue[]): Queue {
  const arn = asText(written, where);
  if (!arn.startsWith('arn:aws:sqs:')) {
    throw new TemplateError('NOT_SUPPORTED', where, `the local engine polls SQS queues, not ${arn}`);
  }
  const queue = queues.find((candidate) => candidate.arn === arn);
  if (queue === undefined) throw new TemplateError('BAD_TEMPLATE', where, `the template has no queue ${arn}`);
  if (queue.attributes['FifoQueue'] === 'true') {
    throw new TemplateError('NOT_SUPPORTED', where, 'the local engine polls standard queues, no FIFO queues');
  }
  return queue;
}

function whole(properties: Properties, name: string, where: string, least: number, most: number): number | undefined {
  if (properties[name] === undefined) return undefined;
  const number = asNumber(properties[name], `${where}.${name}`);
  if (Number.isInteger(number) && number >= least && number <= most) return number;
  throw new TemplateError('BAD_TEMPLATE', `${where}.${name}`, `Lambda takes ${least} to ${most}, not ${number}`);
}
