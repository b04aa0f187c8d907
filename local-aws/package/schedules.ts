/**
 * Schedules of a template: EventBridge rules and EventBridge Scheduler. An enabled `cron` expression is refused, since the
 * engine fires rates only; a rule on an event pattern is refused too.
 * https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-scheduled-rule-pattern.html
 */
import { TemplateError } from './errors.ts';
import type { Schedule } from './model.ts';
import { asList, asRecord, asText, optionalText, type Properties } from './shape.ts';

const unitMs: Record<string, number> = { minute: 60_000, hour: 3_600_000, day: 86_400_000 };

/** Milliseconds of `rate(15 minutes)`; undefined for a cron expression. */
export function rateToMs(expression: string, where: string): number | undefined {
  if (expression.startsWith('cron(')) return undefined;
  const [, count, unit = ''] = /^rate\((\d+) (minute|hour|day)s?\)$/.exec(expression) ?? [];
  const unitLength = unitMs[unit];
  if (unitLength === undefined || Number(count) < 1) {
    throw new TemplateError('BAD_TEMPLATE', where, `${expression} is no rate(N minutes | hours | days) and no cron`);
  }
  return Number(count) * unitLength;
}

/** An `AWS::Events::Rule`: one schedule a target. */
export function readRule(logicalId: string, properties: Properties, where: string): Schedule[] {
  const expression = optionalText(properties['ScheduleExpression'], `${where}.ScheduleExpression`);
  if (expression === undefined) {
    throw new TemplateError('NOT_SUPPORTED', where, 'the local engine fires schedules only, no event patterns');
  }
  return asList(properties['Targets'], `${where}.Targets`).map((written, at) => {
    const target = asRecord(written, `${where}.Targets[${at}]`);
    return schedule(logicalId, expression, properties['State'], target, `${where}.Targets[${at}]`);
  });
}

/** An `AWS::Scheduler::Schedule`. */
export function readSchedule(logicalId: string, properties: Properties, where: string): Schedule {
  const expression = asText(properties['ScheduleExpression'], `${where}.ScheduleExpression`);
  const target = asRecord(properties['Target'], `${where}.Target`);
  return schedule(logicalId, expression, properties['State'], target, `${where}.Target`);
}

function schedule(logicalId: string, expression: string, state: unknown, target: Properties, where: string): Schedule {
  const enabled = (optionalText(state, `${where}.State`) ?? 'ENABLED') !== 'DISABLED';
  const everyMs = rateToMs(expression, where);
  if (enabled && everyMs === undefined) {
    throw new TemplateError('NOT_SUPPORTED', where, `the local engine fires rate(...) schedules, not ${expression}`);
  }
  for (const property of ['InputPath', 'InputTransformer']) {
    if (target[property] !== undefined) {
      throw new TemplateError('NOT_SUPPORTED', `${where}.${property}`, 'the local engine knows Input only');
    }
  }
  return {
    logicalId,
    expression,
    everyMs,
    enabled,
    functionArn: asText(target['Arn'], `${where}.Arn`),
    input: optionalText(target['Input'], `${where}.Input`),
  };
}
