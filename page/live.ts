/** What the page knows, and how it learns of it: one stream of events for as long as it is looked at. */
import { computed, signal } from '@preact/signals';
import type {
  ActionOutcome,
  ActionRequest,
  ExplainAnswer,
  LiveEvent,
  PlaceView,
  RateView,
  ResultsView,
  RunsView,
  RunView,
  StaticCopy,
} from './wire.ts';

export const copy = readCopy();
/** The run of the address; undefined: the list of runs. */
export const runName = copy?.run.run ?? /^\/runs\/([\w-]+)$/.exec(location.pathname)?.[1];

export const place = signal<PlaceView | undefined>(copy?.place);
export const runs = signal<RunsView | undefined>(undefined);
export const run = signal<RunView | undefined>(copy?.run);
export const rate = signal<RateView | undefined>(copy?.rate);
/** When the figures that are shown were last found to be so, in milliseconds since 1970. */
export const seenMs = signal<number | undefined>(copy && Date.parse(copy.at));
/** `refused`: the server was started anew, with another token. */
export const connection = signal<'connecting' | 'live' | 'lost' | 'refused' | 'copy'>(copy ? 'copy' : 'connecting');
export const nowMs = signal(Date.now());
export const ageSeconds = computed(() =>
  seenMs.value === undefined ? undefined : Math.max(0, (nowMs.value - seenMs.value) / 1000),
);

export type Outcome = ActionOutcome & { id: number; what: string };
/** What came of the last actions, the newest first. */
export const outcomes = signal<readonly Outcome[]>([]);
const shownOutcomes = 5;

const clockMs = 1_000;
const reconnectMs = 3_000;
let stream: EventSource | undefined;

export function start(): void {
  if (copy !== undefined) return;
  setInterval(() => {
    if (!document.hidden) nowMs.value = Date.now();
  }, clockMs);
  // A page that is not looked at asks for nothing: on AWS each look is paid for.
  document.addEventListener('visibilitychange', () => (document.hidden ? disconnect() : connect()));
  void askPlace();
  connect();
}

function connect(): void {
  if (stream !== undefined || document.hidden) return;
  const source = new EventSource(`/api/events${runName === undefined ? '' : `?run=${runName}`}`);
  stream = source;
  source.onopen = () => (connection.value = 'live');
  source.onmessage = ({ data }) => take(JSON.parse(String(data)) as LiveEvent);
  source.onerror = () => {
    disconnect();
    connection.value = 'lost';
    setTimeout(() => void reconnect(), reconnectMs);
  };
}

function disconnect(): void {
  stream?.close();
  stream = undefined;
}

/** An event source does not say why it failed; another request does. */
async function reconnect(): Promise<void> {
  const response = await fetch('/api/place').catch(() => undefined);
  if (response?.status === 401) connection.value = 'refused';
  else connect();
}

async function askPlace(): Promise<void> {
  const response = await fetch('/api/place').catch(() => undefined);
  if (response?.ok === true) place.value = (await response.json()) as PlaceView;
}

function take(event: LiveEvent): void {
  nowMs.value = Date.now();
  if (event.kind === 'rate') rate.value = event.view;
  if (event.kind === 'runs') runs.value = event.view;
  if (event.kind === 'run') run.value = event.view;
  const of = event.kind === 'same' ? event.of : event.kind;
  // A look that failed shows the figures of one before.
  const failed = of === 'run' ? run.value?.problem : of === 'runs' ? runs.value?.problem : undefined;
  if (of !== 'rate' && failed === undefined) seenMs.value = Date.parse(event.at);
}

export async function act(request: ActionRequest, what: string): Promise<void> {
  const outcome = await post<ActionOutcome>('/api/actions', request).catch((error: unknown) => ({
    ok: false,
    message: `There was no answer: ${(error as Error).message}`,
  }));
  const id = (outcomes.value[0]?.id ?? 0) + 1;
  outcomes.value = [{ ...outcome, id, what }, ...outcomes.value].slice(0, shownOutcomes);
}

export async function askExplain(asked: string): Promise<ExplainAnswer> {
  return post<ExplainAnswer>('/api/explain', { asked, run: runName }).catch((error: unknown) => ({
    problem: `There was no answer: ${(error as Error).message}`,
  }));
}

export async function askResults(name: string): Promise<ResultsView> {
  if (copy !== undefined) return copy.results;
  const response = await fetch(`/api/results?run=${name}`);
  if (!response.ok) throw new Error(await response.text());
  return (await response.json()) as ResultsView;
}

async function post<Answer>(path: string, body: object): Promise<Answer> {
  const response = await fetch(path, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify(body),
  });
  if (!response.ok) throw new Error(await response.text());
  return (await response.json()) as Answer;
}

function readCopy(): StaticCopy | undefined {
  const element = document.getElementById('copy');
  return element === null ? undefined : (JSON.parse(element.textContent) as StaticCopy);
}
