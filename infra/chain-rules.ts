/**
 * What a compiled template must hold to so that the chain works: what CloudFormation accepts all the same. Pure: gets the
 * template and the level table, and tells one line a problem. infra/lint.js runs it.
 */
import type { Level } from '../shared/engine/chain/chain.ts';
import { lostAfterMs, retryingForMs } from '../shared/lambda/event-life.ts';
import {
  at,
  deadLetterQueuesOf,
  environmentOf,
  functionNamed,
  idIn,
  invokeConfigOf,
  mappings,
  ofType,
  propertiesOf,
  triggers,
  writtenBy,
  type Template,
} from './compiled.ts';
import { overlap } from './key-patterns.ts';

/** What a fetch function keeps of its time to note a failure: `reserveMs` in shared/lambda/fetch-function.ts. */
export const fetchReserveMs = 5_000;

/** "At least six times the timeout of the function" (page services-sqs-configure). */
const timeoutsOfVisibility = 6;

/** "Lambda reserves 100 units of concurrency for functions that don't reserve any", of 1,000 (page configuration-concurrency). */
const reservable = 900;

/** @returns what would not work, a line each; none if all will */
export function chainProblems(template: Template, chain: readonly Level[]): string[] {
  return [
    ...tableProblems(template, chain),
    ...chain.flatMap((row) => deadlineProblems(template, row)),
    ...visibilityProblems(template),
    ...patienceProblems(template, chain),
    ...loopProblems(template),
    ...prefixProblems(template),
  ];
}

/** @returns what will work here, and maybe not in another account */
export function chainWarnings(template: Template): string[] {
  const reserved = ofType(template, 'AWS::Lambda::Function').reduce(
    (sum, [, properties]) => sum + Number(properties['ReservedConcurrentExecutions'] ?? 0),
    0,
  );
  if (reserved <= reservable) return [];
  return [
    `${reserved} environments are reserved in all; of an account's 1,000 AWS lets you reserve ${reservable}, and a new account may have only 10 in all. Lower hermesRate, expectedCallMs or the environments…, use trigger=queue, or have the quota raised.`,
  ];
}

/** The level table and serverless.yml say the same. */
function tableProblems(template: Template, chain: readonly Level[]): string[] {
  const all = triggers(template);
  const problems: string[] = [];
  for (const [index, row] of chain.entries()) {
    const functionId = functionNamed(row.function);
    const before = chain[index - 1];
    if (before !== undefined && before.writes !== row.reads)
      problems.push(`The level ${row.level} reads ${row.reads}/, but the level above it writes ${before.writes}/.`);
    if (template.Resources[functionId] === undefined) {
      problems.push(
        `The level ${row.level} is for the function ${row.function}, which serverless.yml does not have: rename it there or in shared/engine/chain/chain.ts.`,
      );
      continue;
    }
    const own = all.filter((trigger) => trigger.functionId === functionId);
    if (own.length !== 1 || own[0]?.prefix !== `${row.reads}/`)
      problems.push(
        `${row.function} must be triggered by ${row.reads}/ and by nothing else, not by ${own.map(({ prefix }) => prefix || 'every key').join(', ') || 'nothing'}.`,
      );
    if (!writtenBy(template, functionId).some((pattern) => overlap(pattern, `${row.writes}/*`)))
      problems.push(`${row.function} may not write under ${row.writes}/: its role lacks s3:PutObject there.`);
    if (deadLetterQueuesOf(template, functionId).length === 0)
      problems.push(`${row.function} has no dead-letter queue: what fails would be gone.`);
  }
  return problems;
}

/** A call that may last longer than its function would be cut off with no note of it. */
function deadlineProblems(template: Template, { function: name }: Level): string[] {
  const functionId = functionNamed(name);
  if (template.Resources[functionId] === undefined) return [];
  const timeoutMs = Number(propertiesOf(template, functionId)['Timeout']) * 1000;
  const callMs = Number(environmentOf(template, functionId)['CALL_TIMEOUT_MS']);
  if (callMs < timeoutMs - fetchReserveMs) return [];
  return [
    `${name} runs for ${timeoutMs / 1000} s at most and keeps ${fetchReserveMs / 1000} s to note a failure, but a call may take callTimeoutMs=${callMs}: lower that below ${Math.max(0, timeoutMs - fetchReserveMs)}, or raise the timeout.`,
  ];
}

/** Otherwise a message is given out again while its function still works on it. */
function visibilityProblems(template: Template): string[] {
  return mappings(template).flatMap(({ queueId, functionId }) => {
    const visibility = Number(propertiesOf(template, queueId)['VisibilityTimeout'] ?? 30);
    const needed = timeoutsOfVisibility * Number(propertiesOf(template, functionId)['Timeout']);
    if (visibility >= needed) return [];
    return [
      `${queueId} hides a message for ${visibility} s; for ${functionId} it must be ${needed} s, six times its timeout.`,
    ];
  });
}

/** An event that is still alive when the sweep takes its item for lost is worked on twice. */
function patienceProblems(template: Template, chain: readonly Level[]): string[] {
  const variables = environmentOf(template, functionNamed('sweep'));
  const number = (name: string): number => Number(variables[name]);
  const trigger: 'queue' | 'direct' = variables['TRIGGER'] === 'queue' ? 'queue' : 'direct';
  const believed = {
    trigger,
    fetchTimeoutMs: number('FETCH_TIMEOUT_SECONDS') * 1000,
    fetchRetryAttempts: number('FETCH_RETRY_ATTEMPTS'),
    fetchMaxEventAgeMs: number('FETCH_MAX_EVENT_AGE_SECONDS') * 1000,
    queueMaxReceives: number('QUEUE_MAX_RECEIVES'),
    queueRetentionMs: number('QUEUE_RETENTION_SECONDS') * 1000,
    lambdaTimeScale: 1,
  };
  return chain.flatMap((row) => {
    const functionId = functionNamed(row.function);
    const config = invokeConfigOf(template, functionId);
    const queue = propertiesOf(
      template,
      mappings(template).find((each) => each.functionId === functionId)?.queueId ?? '',
    );
    const actual = {
      ...believed,
      fetchTimeoutMs: Number(propertiesOf(template, functionId)['Timeout']) * 1000,
      fetchRetryAttempts: Number(config?.['MaximumRetryAttempts'] ?? 2),
      fetchMaxEventAgeMs: Number(config?.['MaximumEventAgeInSeconds'] ?? 21_600) * 1000,
      queueMaxReceives: Number(at(queue, 'RedrivePolicy', 'maxReceiveCount') ?? 1),
      queueRetentionMs: Number(queue['MessageRetentionPeriod'] ?? 345_600) * 1000,
    };
    const problems: string[] = [];
    const [patience, life] = [lostAfterMs(believed) / 1000, lostAfterMs(actual) / 1000];
    if (patience < life)
      problems.push(
        `The sweep takes an item of the level ${row.level} for lost after ${patience} s, while its event may live for ${life} s: give the sweep the numbers that ${row.function} has.`,
      );
    const [tries, kept, name] =
      trigger === 'queue'
        ? [retryingForMs(actual), actual.queueRetentionMs, 'queueRetention']
        : [retryingForMs(actual), actual.fetchMaxEventAgeMs, 'maximumEventAge'];
    if (kept < tries)
      problems.push(
        `${name} is ${kept / 1000} s, but the tries of an event of the level ${row.level} may take ${tries / 1000} s: it would end before them. Raise it, or lower the timeout${trigger === 'queue' ? ' or maxReceives' : ''}.`,
      );
    return problems;
  });
}

/** What a function writes must not start it again, by whatever way round; nor what it failed at. */
function loopProblems(template: Template): string[] {
  const all = triggers(template);
  const problems: string[] = [];
  const starts = new Map<string, Set<string>>();
  for (const { functionId } of all) {
    const written = writtenBy(template, functionId);
    const started = all.filter(({ prefix, suffix }) => written.some((each) => overlap(each, `${prefix}*${suffix}`)));
    starts.set(functionId, new Set(started.map((trigger) => trigger.functionId)));
    const own = started.find((trigger) => trigger.functionId === functionId);
    if (own !== undefined)
      problems.push(`${functionId} may write under ${own.prefix}, which triggers it: take that from its role.`);
  }
  for (const [from, to] of starts) {
    const others = [
      ...reach(
        starts,
        [...to].filter((id) => id !== from),
        from,
      ),
    ];
    if (others.includes(from)) problems.push(`What ${from} writes comes back to it by way of ${[...to].join(', ')}.`);
  }
  for (const { queueId, functionId } of mappings(template)) {
    if (deadLetterQueuesOf(template, functionId).includes(queueId))
      problems.push(
        `${queueId} is where ${functionId}'s failures go, and it feeds ${functionId}: they would never end.`,
      );
  }
  for (const [id, queue] of ofType(template, 'AWS::SQS::Queue'))
    if (idIn(at(queue, 'RedrivePolicy', 'deadLetterTargetArn')) === id)
      problems.push(`${id} is its own dead-letter queue.`);
  return problems;
}

/** All that is started, from some on; not by way of a start at itself, which is told of already. */
function reach(starts: ReadonlyMap<string, ReadonlySet<string>>, from: readonly string[], end: string): Set<string> {
  const reached = new Set<string>();
  const left = [...from];
  for (let id = left.pop(); id !== undefined; id = left.pop()) {
    if (reached.has(id)) continue;
    reached.add(id);
    if (id !== end) left.push(...(starts.get(id) ?? []));
  }
  return reached;
}

/** S3 refuses rules for one kind of event whose keys may be the same (page notification-how-to-filtering). */
function prefixProblems(template: Template): string[] {
  const all = triggers(template);
  return all.flatMap((a, index) =>
    all
      .slice(index + 1)
      .filter((b) => overlap(`${a.prefix}*${a.suffix}`, `${b.prefix}*${b.suffix}`))
      .filter((b) => a.prefix.startsWith(b.prefix) || b.prefix.startsWith(a.prefix))
      .map(
        (b) =>
          `The prefixes ${a.prefix} and ${b.prefix} overlap, which S3 refuses: ${a.functionId} and ${b.functionId}.`,
      ),
  );
}

type Limit = { type: string; property: string; what: string; most: number };
const limits: readonly Limit[] = [
  { type: 'AWS::Lambda::Function', property: 'FunctionName', what: 'function', most: 64 },
  { type: 'AWS::SQS::Queue', property: 'QueueName', what: 'queue', most: 80 },
  { type: 'AWS::S3::Bucket', property: 'BucketName', what: 'bucket', most: 63 },
  { type: 'AWS::CloudWatch::Alarm', property: 'AlarmName', what: 'alarm', most: 255 },
  { type: 'AWS::CloudWatch::Dashboard', property: 'DashboardName', what: 'dashboard', most: 255 },
];

/** An account's number has twelve digits, whichever it is. */
const someAccount = '123456789012';

const written = (name: unknown): string | undefined => {
  const text = typeof name === 'string' ? name : at(name, 'Fn::Sub');
  return typeof text === 'string' ? text.replaceAll('${AWS::AccountId}', someAccount) : undefined;
};

/** Names that AWS would refuse, some of them only after minutes of deploying. @param stage it is in most of the names */
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
    if (what === 'bucket' && names.some((name) => !/^[a-z0-9][a-z0-9.-]+[a-z0-9]$/.test(name)))
      problems.push(
        `The bucket name ${longest} may have lower-case letters, digits and hyphens only: change the stage, or give bucketName.`,
      );
  }
  if (fits.length > 0)
    problems.push(`The stage ${stage} has ${stage.length} letters; at most ${Math.min(...fits)} fit.`);
  return problems;
}
