/**
 * Functions of a template with their asynchronous settings. What changes how code runs and is not honoured here (layers,
 * images, success destinations) is refused.
 */
import { join } from 'node:path';
import { TemplateError } from './errors.ts';
import type { ServiceFunction } from './model.ts';
import type { Resource } from './references.ts';
import { asList, asNumber, asRecord, asText, optionalNumber, optionalText, type Properties } from './shape.ts';

/** Lambda's defaults: https://docs.aws.amazon.com/lambda/latest/api/API_FunctionConfiguration.html */
const defaultMemoryMb = 128;
const defaultTimeoutSeconds = 3;
/** https://docs.aws.amazon.com/lambda/latest/dg/invocation-async-error-handling.html */
const defaultRetryAttempts = 2;
const defaultEventAgeSeconds = 21_600;

export type ResolvedResource = Resource & { name: string; arn: string };

/**
 * @param codeDirs folder of each artifact, by its file name
 * @throws TemplateError for a function that the engine can not run as Lambda would
 */
export function readFunction(
  resource: ResolvedResource,
  invokeConfig: Properties | undefined,
  codeDirs: ReadonlyMap<string, string>,
  roleLogicalIds: ReadonlyMap<string, string>,
): ServiceFunction {
  const { logicalId, properties, name, arn } = resource;
  const where = `Resources.${logicalId}.Properties`;
  if (asList(properties['Layers'], `${where}.Layers`).length > 0) {
    throw new TemplateError('NOT_SUPPORTED', `${where}.Layers`, 'the local engine loads no layers');
  }
  const runtime = optionalText(properties['Runtime'], `${where}.Runtime`) ?? 'none (an image)';
  if (!/^nodejs\d+\.x$/.test(runtime)) {
    throw new TemplateError('NOT_SUPPORTED', `${where}.Runtime`, `the local engine runs Node, not ${runtime}`);
  }
  const s3Key = asText(asRecord(properties['Code'], `${where}.Code`)['S3Key'], `${where}.Code.S3Key`);
  const artifact = s3Key.slice(s3Key.lastIndexOf('/') + 1);
  const codeDir = codeDirs.get(artifact);
  if (codeDir === undefined) {
    throw new TemplateError('BAD_TEMPLATE', `${where}.Code.S3Key`, `the package holds no ${artifact}`);
  }
  const variables = asRecord(asRecord(properties['Environment'], where)['Variables'], `${where}.Environment.Variables`);
  const environment = Object.fromEntries(
    Object.entries(variables).map(([key, value]) => [key, asText(value, `${where}.Environment.Variables.${key}`)]),
  );
  const reservedConcurrency = optionalNumber(
    properties['ReservedConcurrentExecutions'],
    `${where}.ReservedConcurrentExecutions`,
  );
  const timeoutSeconds = optionalNumber(properties['Timeout'], `${where}.Timeout`) ?? defaultTimeoutSeconds;
  return {
    logicalId,
    name,
    arn,
    codeDir: join(codeDir),
    handler: asText(properties['Handler'], `${where}.Handler`),
    environment,
    memoryMb: optionalNumber(properties['MemorySize'], `${where}.MemorySize`) ?? defaultMemoryMb,
    timeoutMs: timeoutSeconds * 1000,
    ...(reservedConcurrency !== undefined && { reservedConcurrency }),
    async: readAsync(properties, invokeConfig, where),
    roleLogicalId: roleLogicalIds.get(optionalText(properties['Role'], `${where}.Role`) ?? ''),
  };
}

function readAsync(properties: Properties, invokeConfig: Properties = {}, where: string): ServiceFunction['async'] {
  const config = `${where} (EventInvokeConfig)`;
  const destinations = asRecord(invokeConfig['DestinationConfig'], `${config}.DestinationConfig`);
  if (destinations['OnSuccess'] !== undefined) {
    throw new TemplateError('NOT_SUPPORTED', `${config}.DestinationConfig.OnSuccess`, 'no success destinations here');
  }
  const onFailure = asRecord(destinations['OnFailure'], `${config}.DestinationConfig.OnFailure`)['Destination'];
  const deadLetter = asRecord(properties['DeadLetterConfig'], `${where}.DeadLetterConfig`)['TargetArn'];
  const onFailureQueueArn = queueArn(onFailure, `${config}.DestinationConfig.OnFailure.Destination`);
  const deadLetterQueueArn = queueArn(deadLetter, `${where}.DeadLetterConfig.TargetArn`);
  const attempts = asNumber(
    invokeConfig['MaximumRetryAttempts'] ?? defaultRetryAttempts,
    `${config}.MaximumRetryAttempts`,
  );
  const ageSeconds = asNumber(
    invokeConfig['MaximumEventAgeInSeconds'] ?? defaultEventAgeSeconds,
    `${config}.MaximumEventAgeInSeconds`,
  );
  if (![0, 1, 2].includes(attempts)) {
    throw new TemplateError('BAD_TEMPLATE', `${config}.MaximumRetryAttempts`, `Lambda takes 0 to 2, not ${attempts}`);
  }
  if (ageSeconds < 60 || ageSeconds > 21_600) {
    throw new TemplateError(
      'BAD_TEMPLATE',
      `${config}.MaximumEventAgeInSeconds`,
      `Lambda takes 60 to 21600, not ${ageSeconds}`,
    );
  }
  return {
    maximumRetryAttempts: attempts,
    maximumEventAgeMs: ageSeconds * 1000,
    ...(onFailureQueueArn !== undefined && { onFailureQueueArn }),
    ...(deadLetterQueueArn !== undefined && { deadLetterQueueArn }),
  };
}

function queueArn(value: unknown, where: string): string | undefined {
  const target = optionalText(value, where);
  if (target !== undefined && !target.startsWith('arn:aws:sqs:')) {
    throw new TemplateError('NOT_SUPPORTED', where, `the local engine delivers to SQS queues, not to ${target}`);
  }
  return target;
}
