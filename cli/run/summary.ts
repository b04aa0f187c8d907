/** The end of a run: its figures, as one JSON object or as a page for people. Pure. */
import { costOf, s3RequestsOf, usdPerGbSecond, type CostLine, type S3Requests } from './cost.ts';
import { reasonLines, reasonsOf, type Reason } from '../terminal/drawing.ts';
import { bytes, count, dollars, plural, seconds, table } from '../terminal/format.ts';
import type { DeployedRate } from '../../shared/engine/rate/rate-setting.ts';
import type { Chain } from '../../shared/engine/chain/chain.ts';
import type { RunReport } from '../../shared/engine/report/run-report.ts';

export type SqsRequests = { send: number; receive: number; delete: number; other: number };

/** What was allowed of calls to the API, and what was made of it since this start. */
export type RateSummary = {
  /** Requests a second; as deployed. */
  set: DeployedRate;
  /** Calls a second from the first to the last. */
  used: number;
  /** The most calls in any second. */
  fullestSecond: number;
};

export type LevelSummary = {
  level: string;
  reads: string;
  writes: string;
  /** The items in the objects under what it reads. */
  items: number;
  done: number;
  failed: number;
  /** Neither done nor failed. */
  open: number;
  /** Done, with fewer children than the receipt counts. */
  short: number;
  /** Objects under what it reads that are not items. */
  stray: number;
  /** The items in the objects under what it writes; at the last level, the results. */
  children: number;
};

/** A table that the run is published as. */
export type TableSummary = { table: string; rows: number; columns: number; files: number; bytes: number };

export type Summary = {
  run: string;
  complete: boolean;
  levels: LevelSummary[];
  apiCalls: number;
  rate: RateSummary;
  invocations: number;
  retries: number;
  /** Messages on the dead-letter queues at the end. */
  deadLetters: number;
  /** The functions' requests since this start, including the sweep's. */
  s3: S3Requests;
  sqs: SqsRequests;
  lambdaGbSeconds: number;
  /** Of these, what functions slept for their turns at the API. */
  waitingGbSeconds: number;
  costUsd: number;
  seconds: number;
  tables: TableSummary[];
  bucket: string;
  /** null: nothing is kept. */
  dataDir: string | null;
  /** The most frequent first. */
  failures: Reason[];
};

export type Measured = {
  chain: Pick<Chain, 'levels'>;
  report: RunReport;
  apiCalls: number;
  rate: RateSummary;
  invocations: number;
  retries: number;
  deadLetters: number;
  lambdaGbSeconds: number;
  /** What functions slept for their turns at the API, in seconds of the memory that they have. */
  waitingGbSeconds: number;
  s3Operations: Readonly<Record<string, number>>;
  sqsOperations: Readonly<Record<string, number>>;
  seconds: number;
  tables: readonly TableSummary[];
  bucket: string;
  dataDir: string | undefined;
};

export function summarize(measured: Measured): Summary & { costLines: CostLine[] } {
  const { chain, report, invocations, lambdaGbSeconds, s3Operations, sqsOperations } = measured;
  const s3 = s3RequestsOf(s3Operations);
  const sqs = sqsRequestsOf(sqsOperations);
  const sqsRequests = sqs.send + sqs.receive + sqs.delete + sqs.other;
  const cost = costOf({ s3, sqsRequests, invocations, lambdaGbSeconds });
  return {
    run: report.run,
    complete: report.complete,
    levels: levelsOf(chain, report),
    apiCalls: measured.apiCalls,
    rate: { ...measured.rate, used: rounded(measured.rate.used) },
    invocations,
    retries: measured.retries,
    deadLetters: measured.deadLetters,
    s3,
    sqs,
    lambdaGbSeconds: rounded(lambdaGbSeconds),
    waitingGbSeconds: rounded(measured.waitingGbSeconds),
    costUsd: rounded(cost.usd),
    seconds: rounded(measured.seconds),
    tables: [...measured.tables],
    bucket: measured.bucket,
    dataDir: measured.dataDir ?? null,
    failures: reasonsOf(report.reasons),
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
  const results = levels.at(-1)?.children ?? 0;
  const verdict = summary.complete ? 'is complete' : how.interrupted ? 'was interrupted' : 'is NOT complete';
  const blocks: string[][] = [
    [`Run ${run} ${verdict}: ${plural(results, 'result')} in ${seconds(summary.seconds)}.`],
    table(
      ['level', 'reads', '>items', '>done', '>failed', '>open', 'writes', '>items'],
      levels.map((row) => [
        row.level,
        `${row.reads}/`,
        count(row.items),
        count(row.done),
        count(row.failed),
        count(row.open),
        `${row.writes}/`,
        count(row.children),
      ]),
    ),
    table(
      ['API calls', `>${count(summary.apiCalls)}`, rateOf(summary.rate)],
      [
        [
          'Invocations',
          count(summary.invocations),
          `${plural(summary.retries, 'retry', 'retries')}; including the sweep`,
        ],
        [
          'S3 requests',
          count(s3.put + s3.get + s3.head + s3.list + s3.copy + s3.delete),
          `PUT ${count(s3.put)}, GET ${count(s3.get)}, HEAD ${count(s3.head)}, LIST ${count(s3.list)}, COPY ${count(s3.copy)}, DELETE ${count(s3.delete)}`,
        ],
        ['SQS requests', count(sqs.send + sqs.receive + sqs.delete + sqs.other), sendsOf(sqs)],
        ...(summary.waitingGbSeconds > 0 ? [waiting(summary)] : []),
        ['Dead letters', count(summary.deadLetters), ''],
        ['Failures', count(levels.reduce((sum, { failed }) => sum + failed, 0)), ''],
      ],
    ),
  ];
  blocks.push(tableLines(summary.tables));
  blocks.push(reasonLines(summary.failures, 170), inTheWay(levels));
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
  return `${blocks
    .filter((lines) => lines.length > 0)
    .map((lines) => lines.join('\n'))
    .join('\n\n')}\n`;
}

function tableLines(tables: readonly TableSummary[]): string[] {
  if (tables.length === 0) return [];
  return table(
    ['table', '>rows', '>columns', '>files', '>size'],
    tables.map(({ table: name, rows, columns, files, bytes: size }) => [
      `tables/${name}/`,
      count(rows),
      count(columns),
      count(files),
      bytes(size),
    ]),
  );
}

/** What the sweep can't repair and no failure note mentions. */
function inTheWay(levels: readonly LevelSummary[]): string[] {
  return levels.flatMap(({ level, reads, writes, short, stray }, at) => [
    ...(short > 0
      ? [`${plural(short, 'item')} of ${level} lack children under ${writes}/ that the receipts count.`]
      : []),
    ...(stray > 0
      ? [
          at === levels.length - 1
            ? `${plural(stray, 'object')} under ${reads}/ or ${writes}/ can not be an item of ${level}, or a result of one: delete what does not belong there.`
            : `${plural(stray, 'object')} under ${reads}/ can not be an item of ${level}: delete what does not belong there.`,
        ]
      : []),
  ]);
}

function levelsOf(chain: Pick<Chain, 'levels'>, { levels }: RunReport): LevelSummary[] {
  return chain.levels.map(({ name: level, reads, writes }, at) => {
    const found = levels[at];
    if (found?.level !== level) throw new Error(`The report has no level ${level}.`);
    const { items, done, failed, open, short, stray } = found;
    return {
      level,
      reads,
      writes,
      items,
      done,
      failed: failed.retrying + failed.dead + failed.parked,
      open,
      short,
      stray,
      // One level's children are the next one's items; the leaf's are what is done.
      children: levels[at + 1]?.items ?? done,
    };
  });
}

function rateOf({ set, used, fullestSecond }: RateSummary): string {
  const of = typeof set === 'number' ? ` of ${set}` : '';
  const auto = set === 'auto' ? ' (auto)' : '';
  return `${used.toFixed(1)}${of} a second${auto}; ${count(fullestSecond)} in the fullest second`;
}

/** What it costs to keep the rate by sleeping. */
function waiting({ waitingGbSeconds, lambdaGbSeconds }: Summary): string[] {
  const usd = dollars(waitingGbSeconds * usdPerGbSecond);
  const of = `of ${lambdaGbSeconds.toFixed(1)} GB-seconds were slept for turns at the API; ${usd}`;
  return ['Waiting', waitingGbSeconds.toFixed(1), of];
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
