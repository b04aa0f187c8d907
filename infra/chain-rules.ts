/**
 * What a compiled template must satisfy for the chain to work, and CloudFormation does not check. Pure: gets the template and
 * the chain, and returns one line for each problem. infra/lint.ts runs it.
 */
import type { Chain, Level } from '../shared/engine/chain/chain.ts';
import { derivedSettings, functionParameters, leastLetterSeconds } from '../shared/lambda/setting-table.ts';
import { lostAfterMs, retryingForMs } from '../shared/lambda/event-life.ts';
import { fetchReserveMs } from '../shared/lambda/lambda-function.ts';
import {
  at,
  deadLetterQueuesOf,
  environmentOf,
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
import { functionId as functionNamed } from './names.ts';
import { timeoutsOfVisibility } from './queues.ts';

/** "Lambda reserves 100 units of concurrency for functions that don't reserve any", of 1,000 (page configuration-concurrency). */
const reservable = 900;

/** SQS's own, where a queue has none. */
const defaultRetentionSeconds = 345_600;

/** @returns what would not work, one line for each problem */
export function chainProblems(template: Template, { levels }: Pick<Chain, 'levels'>): string[] {
  return [
    ...levelProblems(template, levels),
    ...levels.flatMap((level) => deadlineProblems(template, level)),
    ...visibilityProblems(template),
    ...retentionProblems(template),
    ...patienceProblems(template, levels),
    ...loopProblems(template),
    ...prefixProblems(template),
  ];
}

/** @returns what works in some accounts only */
export function chainWarnings(template: Template): string[] {
  const reserved = ofType(template, 'AWS::Lambda::Function').reduce(
    (sum, [, properties]) => sum + Number(properties['ReservedConcurrentExecutions'] ?? 0),
    0,
  );
  if (reserved <= reservable) return [];
  return [
    `${reserved} environments are reserved in all; of an account's 1,000 AWS lets you reserve ${reservable}, and a new account may have only 10 in all. Lower rate, expectedCallMs or the chain's environments, use trigger=queue or reserve=false, which reserve none, or have the quota raised.`,
  ];
}

/** Each level has its function, its trigger, its right to write, and a dead-letter queue. */
function levelProblems(template: Template, levels: readonly Level[]): string[] {
  const all = triggers(template);
  const problems: string[] = [];
  for (const level of levels) {
    const functionId = functionNamed(level.function);
    if (template.Resources[functionId] === undefined) {
      problems.push(
        `The level ${level.name} has no function ${level.function}: serverless.yml must list the functions of the chain (fetchFunctions).`,
      );
      continue;
    }
    const own = all.filter((trigger) => trigger.functionId === functionId);
    if (own.length !== 1 || own[0]?.prefix !== `${level.reads}/`)
      problems.push(
        `${level.function} must be triggered by ${level.reads}/ and by nothing else, not by ${own.map(({ prefix }) => prefix || 'every key').join(', ') || 'nothing'}.`,
      );
    if (!writtenBy(template, functionId).some((pattern) => overlap(pattern, `${level.writes}/*${level.suffix}`)))
      problems.push(`${level.function} may not write under ${level.writes}/: its role lacks s3:PutObject there.`);
    if (deadLetterQueuesOf(template, functionId).length === 0)
      problems.push(`${level.function} has no dead-letter queue: what fails would be lost.`);
  }
  return problems;
}

/** A call that may last longer than its function would be cut off with no note of it. */
function deadlineProblems(template: Template, { function: name }: Level): string[] {
  const functionId = functionNamed(name);
  if (template.Resources[functionId] === undefined) return [];
  const timeoutMs = Number(propertiesOf(template, functionId)['Timeout']) * 1000;
  const callMs = Number(environmentOf(template, functionId)[functionParameters.callTimeoutMs.variable]);
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

/**
 * A message that moves to a dead-letter queue keeps the time when it was sent (page sqs-dead-letter-queues): one that has
 * waited as long as that queue keeps its messages is deleted when it arrives.
 */
function retentionProblems(template: Template): string[] {
  const retention = (id: string): number =>
    Number(propertiesOf(template, id)['MessageRetentionPeriod'] ?? defaultRetentionSeconds);
  return ofType(template, 'AWS::SQS::Queue').flatMap(([id, queue]) => {
    const target = idIn(at(queue, 'RedrivePolicy', 'deadLetterTargetArn'));
    if (target === undefined || target === id) return [];
    const most = retention(target) - leastLetterSeconds;
    if (retention(id) <= most) return [];
    return [
      `${id} keeps a message for ${retention(id)} s and its dead-letter queue ${target} for ${retention(target)} s, counted from when it was sent: a dead letter would be deleted as it arrives. Lower queueRetention to ${most} at most.`,
    ];
  });
}

/** An event that is still alive when the sweep takes its item for lost is worked on twice. */
function patienceProblems(template: Template, levels: readonly Level[]): string[] {
  const variables = environmentOf(template, functionNamed('sweep'));
  const number = ({ variable }: { variable: string }): number => Number(variables[variable]);
  const { trigger: triggerSetting, maximumEventAge, maxReceives, queueRetention } = functionParameters;
  const trigger: 'queue' | 'direct' = variables[triggerSetting.variable] === 'queue' ? 'queue' : 'direct';
  const believed = {
    trigger,
    fetchTimeoutMs: number(derivedSettings.fetchTimeoutSeconds) * 1000,
    fetchRetryAttempts: number(derivedSettings.fetchRetryAttempts),
    fetchMaxEventAgeMs: number(maximumEventAge) * 1000,
    queueMaxReceives: number(maxReceives),
    queueRetentionMs: number(queueRetention) * 1000,
    lambdaTimeScale: 1,
  };
  return levels.flatMap((level) => {
    const functionId = functionNamed(level.function);
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
      queueRetentionMs: Number(queue['MessageRetentionPeriod'] ?? defaultRetentionSeconds) * 1000,
    };
    const problems: string[] = [];
    const [patience, life] = [lostAfterMs(believed) / 1000, lostAfterMs(actual) / 1000];
    if (patience < life)
      problems.push(
        `The sweep takes an item of the level ${level.name} for lost after ${patience} s, while its event may live for ${life} s: give the sweep the numbers that ${level.function} has.`,
      );
    const [attempts, kept, name] =
      trigger === 'queue'
        ? [retryingForMs(actual), actual.queueRetentionMs, 'queueRetention']
        : [retryingForMs(actual), actual.fetchMaxEventAgeMs, 'maximumEventAge'];
    if (kept < attempts)
      problems.push(
        `${name} is ${kept / 1000} s, but the attempts of an event of the level ${level.name} may take ${attempts / 1000} s: it would end before them. Raise it, or lower the timeout${trigger === 'queue' ? ' or maxReceives' : ''}.`,
      );
    return problems;
  });
}

/** What a function writes must not start it again, directly or through others; nor may what it failed at. */
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
    if (others.includes(from)) problems.push(`What ${from} writes starts it again through ${[...to].join(', ')}.`);
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

/** All that is started from some on; not through the end itself, which is reported already. */
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
