/** The end of a run: its figures, as one JSON object or as a page for people. Pure. */
import { costOf, s3RequestsOf, type CostLine, type S3Requests } from './cost.ts';
import { count, dollars, oneLine, plural, seconds, table } from './format.ts';
import type { FailureReason, LevelReport, RunReport } from './run-report.ts';

export type SqsRequests = { send: number; receive: number; delete: number; other: number };

export type Summary = {
  run: string;
  complete: boolean;
  levels: LevelReport[];
  apiCalls: number;
  invocations: number;
  retries: number;
  /** Messages on the dead-letter queues at the end. */
  deadLetters: number;
  /** The functions' requests since this start. */
  s3: S3Requests;
  sqs: SqsRequests;
  lambdaGbSeconds: number;
  costUsd: number;
  seconds: number;
  bucket: string;
  /** null: nothing is kept. */
  dataDir: string | null;
  /** The commonest first. */
  failures: FailureReason[];
  disagreements: RunReport['disagreements'];
};

export type Measured = {
  report: RunReport;
  apiCalls: number;
  invocations: number;
  retries: number;
  deadLetters: number;
  lambdaGbSeconds: number;
  s3Operations: Readonly<Record<string, number>>;
  sqsOperations: Readonly<Record<string, number>>;
  seconds: number;
  bucket: string;
  dataDir: string | undefined;
};

export function summarize(measured: Measured): Summary & { costLines: CostLine[] } {
  const { report, invocations, lambdaGbSeconds, s3Operations, sqsOperations } = measured;
  const s3 = s3RequestsOf(s3Operations);
  const sqs = sqsRequestsOf(sqsOperations);
  const sqsRequests = sqs.send + sqs.receive + sqs.delete + sqs.other;
  const cost = costOf({ s3, sqsRequests, invocations, lambdaGbSeconds });
  return {
    run: report.run,
    complete: report.complete,
    levels: report.levels,
    apiCalls: measured.apiCalls,
    invocations,
    retries: measured.retries,
    deadLetters: measured.deadLetters,
    s3,
    sqs,
    lambdaGbSeconds: rounded(lambdaGbSeconds),
    costUsd: rounded(cost.usd),
    seconds: rounded(measured.seconds),
    bucket: measured.bucket,
    dataDir: measured.dataDir ?? null,
    failures: report.failures,
    disagreements: report.disagreements,
    costLines: cost.lines,
  };
}

/** The one object of `--json`. */
export function summaryJson(summary: Summary & { costLines?: CostLine[] }): string {
  return JSON.stringify({ ...summary, costLines: undefined });
}

/** @param how what the person typed, and what they can type next */
export function summaryPage(
  summary: Summary & { costLines: CostLine[] },
  how: { interrupted: boolean; goOn: string; lookAt: readonly string[] },
): string {
  const { run, levels, s3, sqs } = summary;
  const results = levels.at(-1)?.objects ?? 0;
  const perSecond = summary.seconds > 0 ? summary.apiCalls / summary.seconds : 0;
  const verdict = summary.complete ? 'is complete' : how.interrupted ? 'was interrupted' : 'is NOT complete';
  const blocks: string[][] = [
    [`Run ${run} ${verdict}: ${plural(results, 'result')} in ${seconds(summary.seconds)}.`],
    table(
      ['level', 'reads', '>items', '>done', '>failed', '>open', 'writes', '>objects'],
      levels.map((row) => [
        row.level,
        `${row.reads}/`,
        count(row.items),
        count(row.done),
        count(row.failed),
        count(row.open),
        `${row.writes}/`,
        count(row.objects),
      ]),
    ),
    table(
      ['API calls', `>${count(summary.apiCalls)}`, `${count(perSecond)} a second`],
      [
        ['Invocations', count(summary.invocations), plural(summary.retries, 'retry', 'retries')],
        [
          'S3 requests',
          count(s3.put + s3.get + s3.head + s3.list + s3.copy + s3.delete),
          `PUT ${count(s3.put)}, GET ${count(s3.get)}, HEAD ${count(s3.head)}, LIST ${count(s3.list)}, COPY ${count(s3.copy)}, DELETE ${count(s3.delete)}`,
        ],
        ['SQS requests', count(sqs.send + sqs.receive + sqs.delete + sqs.other), sendsOf(sqs)],
        ['Dead letters', count(summary.deadLetters), ''],
        ['Failures', count(levels.reduce((sum, { failed }) => sum + failed, 0)), ''],
      ],
    ),
  ];
  if (summary.failures.length > 0) blocks.push(failureLines(summary.failures));
  if (summary.disagreements.length > 0) blocks.push(disagreementLines(summary.disagreements));
  blocks.push([
    `On AWS this would have cost about ${dollars(summary.costUsd)} (us-east-1, arm64, no free tier):`,
    ...indent(
      table(
        ['', '>', '', '>'],
        summary.costLines.map(({ what, quantity, unit, usd }) => [
          what,
          unit === 'requests' ? count(quantity) : quantity.toFixed(1),
          unit,
          dollars(usd),
        ]),
      ).slice(1),
    ),
  ]);
  blocks.push(summary.complete ? [...how.lookAt] : [how.goOn, ...how.lookAt].filter((line) => line !== ''));
  return `${blocks.map((lines) => lines.join('\n')).join('\n\n')}\n`;
}

function failureLines(failures: readonly FailureReason[]): string[] {
  const shown = failures.slice(0, 5);
  const lines = shown.flatMap(({ level, code, message, count: times, sampleKey }) => [
    `  ${count(times)} x ${code} at level ${level}: ${oneLine(message, 160)}`,
    `      for one: ${sampleKey}`,
  ]);
  const rest = failures.length - shown.length;
  return ['Why, the commonest first:', ...lines, ...(rest > 0 ? [`  and ${plural(rest, 'other reason')}`] : [])];
}

function disagreementLines(disagreements: RunReport['disagreements']): string[] {
  return [
    `${plural(disagreements.length, 'receipt counts', 'receipts count')} other children than are listed:`,
    ...disagreements.slice(0, 5).map(({ key, counted, listed }) => `  ${key}: ${counted} counted, ${listed} listed`),
  ];
}

function sendsOf({ send, receive, delete: deleted }: SqsRequests): string {
  return `send ${count(send)}, receive ${count(receive)}, delete ${count(deleted)}`;
}

function indent(lines: readonly string[]): string[] {
  return lines.map((line) => `  ${line}`);
}

function sqsRequestsOf(operations: Readonly<Record<string, number>>): SqsRequests {
  const requests: SqsRequests = { send: 0, receive: 0, delete: 0, other: 0 };
  for (const [operation, times] of Object.entries(operations)) {
    if (/^SendMessage/.test(operation)) requests.send += times;
    else if (operation === 'ReceiveMessage') requests.receive += times;
    else if (/^DeleteMessage/.test(operation)) requests.delete += times;
    else requests.other += times;
  }
  return requests;
}

/** Six digits behind the point are more than is measured. */
function rounded(value: number): number {
  return Math.round(value * 1e6) / 1e6;
}
