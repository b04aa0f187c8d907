/** What the rules ask of a compiled template: its functions, what starts each, and where its failures go. */

export type Resource = {
  readonly Type: string;
  readonly Properties?: Record<string, unknown>;
  readonly DependsOn?: unknown;
};
export type Template = { Resources: Record<string, Resource> };

/** What an object's creation starts. */
export type Trigger = { functionId: string; prefix: string; suffix: string; queueId: string | undefined };

export const ofType = (template: Template, type: string): [string, Record<string, unknown>][] =>
  Object.entries(template.Resources)
    .filter(([, resource]) => resource.Type === type)
    .map(([id, { Properties: properties = {} }]) => [id, properties]);

export const propertiesOf = (template: Template, id: string): Record<string, unknown> =>
  template.Resources[id]?.Properties ?? {};

/** The value at a path, if there is any. */
export function at(value: unknown, ...path: (string | number)[]): unknown {
  return path.reduce<unknown>((inner, step) => (inner as Record<string | number, unknown> | undefined)?.[step], value);
}

export const listOf = (value: unknown): unknown[] =>
  value === undefined ? [] : Array.isArray(value) ? (value as unknown[]) : [value];

/** The logical id that a Ref, a GetAtt or a Sub of one attribute names. */
export function idIn(value: unknown): string | undefined {
  const { Ref: ref, 'Fn::GetAtt': attribute, 'Fn::Sub': text } = (value ?? {}) as Record<string, unknown>;
  if (typeof ref === 'string') return ref;
  if (Array.isArray(attribute)) return String(attribute[0]);
  return typeof text === 'string' ? /^\$\{(\w+)(?:\.\w+)?\}$/.exec(text)?.[1] : undefined;
}

/** The queue and the function that an event source mapping brings together. */
export function mappings(template: Template): { queueId: string; functionId: string }[] {
  return ofType(template, 'AWS::Lambda::EventSourceMapping').map(([, mapping]) => ({
    queueId: idIn(mapping['EventSourceArn']) ?? '',
    functionId: idIn(mapping['FunctionName']) ?? '',
  }));
}

/** By S3 itself, or by way of a queue. */
export function triggers(template: Template): Trigger[] {
  const notifications = ofType(template, 'AWS::S3::Bucket').map(([, bucket]) => bucket['NotificationConfiguration']);
  const rule = (name: string, written: unknown): string => {
    const rules = listOf(at(written, 'Filter', 'S3Key', 'Rules'));
    const found = rules.find((each) => String(at(each, 'Name')).toLowerCase() === name);
    return typeof at(found, 'Value') === 'string' ? (at(found, 'Value') as string) : '';
  };
  const filter = (written: unknown) => ({ prefix: rule('prefix', written), suffix: rule('suffix', written) });
  return notifications.flatMap((written) => [
    ...listOf(at(written, 'LambdaConfigurations')).map((each) => ({
      functionId: idIn(at(each, 'Function')) ?? '',
      queueId: undefined,
      ...filter(each),
    })),
    ...listOf(at(written, 'QueueConfigurations')).map((each) => {
      const queueId = idIn(at(each, 'Queue')) ?? '';
      const functionId = mappings(template).find((mapping) => mapping.queueId === queueId)?.functionId ?? '';
      return { functionId, queueId, ...filter(each) };
    }),
  ]);
}

/** The patterns of the keys under which a function's role may write; `*` for what can't be told. */
export function writtenBy(template: Template, functionId: string): string[] {
  const role = propertiesOf(template, idIn(propertiesOf(template, functionId)['Role']) ?? '');
  const statements = listOf(role['Policies']).flatMap((policy) => listOf(at(policy, 'PolicyDocument', 'Statement')));
  return statements
    .filter((statement) => at(statement, 'Effect') === 'Allow')
    .filter((statement) =>
      listOf(at(statement, 'Action')).some((action) => typeof action === 'string' && mayPut(action)),
    )
    .flatMap((statement) => listOf(at(statement, 'Resource')).map(keyPatternOf));
}

const mayPut = (action: string): boolean => {
  const pattern = action
    .toLowerCase()
    .replaceAll(/[.+^${}()|[\]\\]/g, '\\$&')
    .replaceAll('*', '.*')
    .replaceAll('?', '.');
  return new RegExp(`^${pattern}$`).test('s3:putobject');
};

function keyPatternOf(resource: unknown): string {
  const text = typeof resource === 'string' ? resource : at(resource, 'Fn::Sub');
  if (typeof text !== 'string') return '*';
  const start = text.indexOf('/');
  return start < 0 ? '*' : text.slice(start + 1);
}

export function environmentOf(template: Template, functionId: string): Record<string, unknown> {
  return (at(propertiesOf(template, functionId), 'Environment', 'Variables') ?? {}) as Record<string, unknown>;
}

/** How Lambda treats a function's events. */
export function invokeConfigOf(template: Template, functionId: string): Record<string, unknown> | undefined {
  return ofType(template, 'AWS::Lambda::EventInvokeConfig').find(
    ([, config]) => idIn(config['FunctionName']) === functionId,
  )?.[1];
}

/** The queues where what a function could not do ends. */
export function deadLetterQueuesOf(template: Template, functionId: string): string[] {
  const destination = idIn(at(invokeConfigOf(template, functionId), 'DestinationConfig', 'OnFailure', 'Destination'));
  const source = mappings(template).find((mapping) => mapping.functionId === functionId)?.queueId ?? '';
  const redrive = idIn(at(propertiesOf(template, source), 'RedrivePolicy', 'deadLetterTargetArn'));
  return [destination, redrive].filter((id) => id !== undefined);
}
