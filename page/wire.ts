/** What the page and its server tell each other: the functions' own reports, and what the server adds to them. */
import type { Explanation } from '../shared/engine/report/explanation.ts';
import type { PublishStatus } from '../shared/engine/publish/publish-status.ts';
import type { RunReport, SweepProblem } from '../shared/engine/report/run-report.ts';

export type { Explanation };

/** Where the figures come from. */
export type PlaceView = {
  place: string;
  bucket: string;
  stage: string;
  levels: readonly { name: string; ids: readonly string[] }[];
};

export type RunState = 'complete' | 'failed' | 'open' | 'paused' | 'cancelled' | 'unknown';

/** A run in a row of the table. Absent figures: no sweep has counted it yet. */
export type RunRow = {
  run: string;
  state: RunState;
  /** When its seed was dropped, ISO 8601. */
  startedAt: string;
  /** Of a complete run: when the sweep found that it is. */
  endedAt?: string;
  /** Of when the figures are. */
  at?: string;
  items?: number;
  done?: number;
  failed?: number;
  apiCalls?: number;
  usd?: number;
  published?: boolean;
  problem?: string;
};

export type RunsView = { runs: readonly RunRow[]; problem?: string };

/** A run's report, with how its tables stand, and what is used of the rate by all runs. */
export type Report = RunReport & { published?: PublishStatus; rate?: { use?: RateUseView } };

/** `part` of what is allowed, from 0 to 1; `why` no more is used, if it is less than nearly all. */
export type RateUseView = { perSecond: number; part: number; why?: string; others?: { perSecond: number } };

/** In US dollars. `expected` is for the items that are known now. */
export type Cost = { soFar: number; expected: number };

export type RunView = {
  run: string;
  state: RunState;
  startedAt?: string;
  endedAt?: string;
  report?: Report;
  cost?: Cost;
  timeline: TimelineView;
  seed?: string;
  params?: string;
  /** Why the run could not be looked at. The report is then the last one. */
  problem?: string;
};

/** Of a stretch of time. `calls`: undefined when it is not known. `ordered`: how often the API ordered its callers to wait. */
export type TimelinePoint = {
  fromMs: number;
  toMs: number;
  calls: number | undefined;
  /** null: unlimited. */
  rate: number | null;
  stop: 'none' | 'frozen' | 'paused';
  ordered: number;
};

/** `of`: whether the calls are those of the run, by its reports, or of all runs, as the engine counts them. */
export type TimelineView = { of: 'run' | 'all'; points: readonly TimelinePoint[] };

export type RateView = {
  /** null: unlimited. */
  rate: number | null;
  /** auto: what the API says that it allows. */
  deployed: number | 'auto' | null;
  /** The API's own limit is followed. `told`: what it says, in calls a second; absent: it has told none. */
  auto?: { told?: number; toldAt?: string; mostPerSecond: number };
  minimumPerSecond: number;
  paused: boolean;
  /** The API has ordered all callers to wait until then, ISO 8601. */
  frozenUntil?: string;
  /** While calls are stopped: items of all runs that wait, by level; SQS calls its counts approximate. */
  waiting?: Readonly<Record<string, number>>;
  /** The end of the last such order, which may have passed. */
  orderedUntil?: string;
  problem?: string;
};

/** What a stream of events tells: each view whole, when it changed; `same`: it was looked at, and nothing had changed. */
export type LiveEvent =
  | { kind: 'runs'; at: string; view: RunsView }
  | { kind: 'run'; at: string; view: RunView }
  | { kind: 'rate'; at: string; view: RateView }
  | { kind: 'same'; of: 'runs' | 'run' | 'rate'; at: string };

export type ActionRequest =
  | { action: 'pause' | 'resume' | 'default' }
  | { action: 'rate'; requestsPerSecond: number }
  | { action: 'pause-run' | 'resume-run' | 'cancel-run'; run: string }
  | { action: 'sweep'; run: string }
  | { action: 'replay'; run: string; level?: string; code?: string; parked?: boolean };

/** What came of an action, or why it was refused. */
export type ActionOutcome = { ok: boolean; message: string };

export type ExplainAnswer = { explanation: Explanation } | { problem: string };

export type ResultRow = Readonly<Record<string, string>>;

/** The first results. `texts`: of those that are no JSON. */
export type ResultsView = {
  /** Once it is published: the table that the results are in, whose columns these are then. */
  table?: { name: string; rows: number };
  /** By the names of the columns: their types in the table. */
  types?: Readonly<Record<string, string>>;
  columns: readonly string[];
  rows: readonly ResultRow[];
  texts: readonly { key: string; text: string }[];
  /** For a terminal. */
  commands: readonly string[];
  problem?: string;
};

/** What a static copy of the page holds. */
export type StaticCopy = { place: PlaceView; at: string; rate: RateView; run: RunView; results: ResultsView };

export type { RunReport, SweepProblem };
