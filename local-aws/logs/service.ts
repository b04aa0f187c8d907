/**
 * As much of CloudWatch Logs as `sls logs` and `aws logs filter-log-events` ask: the log groups of functions, each with one
 * stream, over the lines that are in memory. Anything else is refused by name.
 */
import { randomUUID } from 'node:crypto';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { text } from 'node:stream/consumers';
import type { Authorize } from '../iam/identity.ts';
import type { FunctionLogs, LogEvent } from './function-logs.ts';

type Input = Readonly<Record<string, unknown>>;

/** An answer other than 200. */
class LogsError extends Error {
  override readonly name = 'LogsError';
  readonly code: string;

  constructor(code: string, message: string) {
    super(message);
    this.code = code;
  }
}

const groupPrefix = '/aws/lambda/';
const streamName = 'local';
/** The most that FilterLogEvents answers at once. */
const mostEvents = 10_000;

export type LogsOptions = {
  logs: FunctionLogs;
  functionNames: readonly string[];
  place: { accountId: string; region: string };
};

/** @param may what the caller may; absent: everything */
export async function serveLogs(
  options: LogsOptions,
  request: IncomingMessage,
  response: ServerResponse,
  may?: Authorize,
): Promise<void> {
  const operation = String(request.headers['x-amz-target'] ?? '').replace(/^Logs_20140328\./, '');
  const answer = (status: number, body: object): void => {
    response.writeHead(status, { 'content-type': 'application/x-amz-json-1.1', 'x-amzn-requestid': randomUUID() });
    response.end(JSON.stringify(body));
  };
  const body = await text(request);
  try {
    answer(200, answerTo(operation, readInput(body), options, may));
  } catch (error) {
    if (!(error instanceof LogsError)) throw error;
    answer(400, { __type: error.code, message: error.message });
  }
}

function answerTo(operation: string, input: Input, options: LogsOptions, may: Authorize | undefined): object {
  switch (operation) {
    case 'DescribeLogGroups':
      return describeGroups(input, options, may);
    case 'DescribeLogStreams':
      return describeStreams(input, options, may);
    case 'FilterLogEvents':
      return filterEvents(input, options, may);
    default: {
      const known = 'DescribeLogGroups, DescribeLogStreams and FilterLogEvents';
      throw new LogsError(
        'UnsupportedOperation',
        `The local CloudWatch Logs has ${known}, and no ${operation || 'such call'}.`,
      );
    }
  }
}

function describeGroups(input: Input, { functionNames, place }: LogsOptions, may: Authorize | undefined): object {
  refuseUnless(may, 'DescribeLogGroups', groupArn('*', place));
  const { logGroupNamePrefix: prefix = '' } = input;
  const names = functionNames.map((name) => groupPrefix + name).filter((name) => name.startsWith(String(prefix)));
  return {
    logGroups: names.sort().map((logGroupName) => ({ logGroupName, arn: `${groupArn(logGroupName, place)}:*` })),
  };
}

function describeStreams(input: Input, options: LogsOptions, may: Authorize | undefined): object {
  const { functionName, arn } = groupOf(input, options);
  refuseUnless(may, 'DescribeLogStreams', arn);
  const events = options.logs.events(functionName);
  const [first, last] = [events[0], events.at(-1)];
  if (first === undefined || last === undefined) return { logStreams: [] };
  const times = { firstEventTimestamp: first.timestampMs, lastEventTimestamp: last.timestampMs };
  return { logStreams: [{ logStreamName: streamName, arn: `${arn}:log-stream:${streamName}`, ...times }] };
}

function filterEvents(input: Input, options: LogsOptions, may: Authorize | undefined): object {
  const { functionName, arn } = groupOf(input, options);
  refuseUnless(may, 'FilterLogEvents', arn);
  const { startTime = 0, endTime = Infinity, limit = mostEvents, nextToken = '0', filterPattern = '' } = input;
  const isWanted = termsMatcher(String(filterPattern));
  const events = options.logs
    .events(functionName)
    .filter(
      ({ timestampMs, message }) =>
        timestampMs >= Number(startTime) && timestampMs < Number(endTime) && isWanted(message),
    );
  const from = Number(nextToken);
  const to = from + Math.min(Number(limit), mostEvents);
  return {
    events: events.slice(from, to).map((event, at) => eventAnswer(event, from + at)),
    searchedLogStreams: [{ logStreamName: streamName, searchedCompletely: true }],
    ...(to < events.length && { nextToken: String(to) }),
  };
}

function eventAnswer({ timestampMs, message }: LogEvent, at: number): object {
  return {
    logStreamName: streamName,
    timestamp: timestampMs,
    ingestionTime: timestampMs,
    message,
    eventId: `${timestampMs}${String(at).padStart(8, '0')}`,
  };
}

/**
 * Terms that must all be in the message; those with a minus must not.
 * https://docs.aws.amazon.com/AmazonCloudWatch/latest/logs/FilterAndPatternSyntaxForMetricFilters.html
 * @throws LogsError for the patterns of fields, alternatives and regular expressions
 */
function termsMatcher(pattern: string): (message: string) => boolean {
  if (/^\s*[{[]|(^|\s)-?[?%]/.test(pattern)) {
    const message = `The local CloudWatch Logs filters by terms, not by the pattern ${pattern}`;
    throw new LogsError('InvalidParameterException', message);
  }
  const terms = [...pattern.matchAll(/(-?)(?:"([^"]*)"|(\S+))/g)].map(([, minus, quoted, bare]) => ({
    isExcluded: minus === '-',
    term: quoted ?? bare ?? '',
  }));
  return (message) => terms.every(({ isExcluded, term }) => message.includes(term) !== isExcluded);
}

function groupOf(input: Input, { functionNames, place }: LogsOptions): { functionName: string; arn: string } {
  const named = input['logGroupName'] ?? input['logGroupIdentifier'];
  const name = String(named).replace(/^arn:[^/]*:log-group:/, '');
  const functionName = name.slice(groupPrefix.length);
  if (name.startsWith(groupPrefix) && functionNames.includes(functionName)) {
    return { functionName, arn: groupArn(name, place) };
  }
  throw new LogsError('ResourceNotFoundException', `The specified log group does not exist: ${name}`);
}

function groupArn(name: string, { accountId, region }: LogsOptions['place']): string {
  return `arn:aws:logs:${region}:${accountId}:log-group:${name}`;
}

function refuseUnless(may: Authorize | undefined, operation: string, arn: string): void {
  const refused = may?.(`logs:${operation}`, arn);
  if (refused !== undefined) throw new LogsError('AccessDeniedException', refused);
}

function readInput(body: string): Input {
  try {
    const input: unknown = JSON.parse(body === '' ? '{}' : body);
    if (typeof input === 'object' && input !== null) return input as Input;
  } catch {
    // Refused below, as what is no object is.
  }
  throw new LogsError('SerializationException', 'The request body is no JSON object.');
}
