/**
 * What people have set for one run: `control/runs/<run>.json` pauses or cancels it, while the others run on. The only place that
 * builds, parses or reads one. Without the object a run runs.
 */
import { runControlKey } from '../chain/keys.ts';
import { CancelledError, DeferredError, InputError, ItemError } from '../errors.ts';
import type { Clock, Log, ObjectStore } from '../ports.ts';
import { staleMs } from '../rate/rate-control.ts';

export type RunControlState = 'running' | 'paused' | 'cancelled';

/** As it is stored. */
export type RunSetting = {
  state: RunControlState;
  /** A person's words, for other people. */
  reason?: string | undefined;
  /** When it was set, ISO 8601. */
  at?: string | undefined;
  /** The last time that the run was cancelled and resumed, ISO 8601: what was open then has no event any more. */
  cancelled?: { from: string; until: string } | undefined;
};

export type RunControl = RunSetting & {
  /** Undefined: nothing is set. */
  eTag: string | undefined;
  /** When S3 says that it was set, in milliseconds since 1970; 0 when nothing is set. */
  setMs: number;
  /** Why the object is invalid; then it counts as absent. */
  problem?: string;
};

/** What a report says of a run that is stopped. */
export type RunStop = { state: 'paused' | 'cancelled'; reason?: string; at: string };

/** A few words and times; a larger object is none. */
const maxControlBytes = 10_000;
const maxReasonLength = 1_000;

const states: readonly unknown[] = ['running', 'paused', 'cancelled'];

/** @throws InputError saying what is wrong, and what is allowed */
export function parseRunSetting(body: string): RunSetting {
  const refuse = (why: string): never => {
    throw new InputError([`${why}; expected is { "state": "paused" }, "cancelled" or "running"`]);
  };
  let value: unknown;
  try {
    // Editors on Windows put a byte order mark before the text.
    value = JSON.parse(body.replace(/^\uFEFF/, ''));
  } catch (error) {
    return refuse(`it is not JSON (${(error as Error).message})`);
  }
  const { state, reason, at, cancelled } = (value ?? {}) as Record<string, unknown>;
  if (!states.includes(state)) refuse('its state is not known');
  if (reason !== undefined && typeof reason !== 'string') refuse('its reason is no text');
  const { from, until } = (cancelled ?? {}) as Record<string, unknown>;
  if (cancelled !== undefined && !(isTime(from) && isTime(until))) refuse('"cancelled" has no times');
  return {
    state: state as RunControlState,
    ...(typeof reason === 'string' && reason !== '' && { reason: reason.slice(0, maxReasonLength) }),
    ...(isTime(at) && { at }),
    ...(isTime(from) && isTime(until) && { cancelled: { from, until } }),
  };
}

function isTime(value: unknown): value is string {
  return typeof value === 'string' && !Number.isNaN(Date.parse(value));
}

export type RunWish = 'pause' | 'resume' | 'cancel';

/**
 * What is to be stored for a wish.
 * @returns undefined when it is so already
 * @throws InputError for a pause of a cancelled run
 */
export function changeRunSetting(
  before: RunSetting,
  wish: RunWish,
  { at, reason }: { at: string; reason?: string | undefined },
): RunSetting | undefined {
  const { state, cancelled } = before;
  const kept = { ...(reason !== undefined && { reason }), at, ...(cancelled && { cancelled }) };
  switch (wish) {
    case 'pause':
      if (state === 'cancelled') throw new InputError(['the run is cancelled: resume it before you pause it']);
      return state === 'paused' ? undefined : { state: 'paused', ...kept };
    case 'cancel':
      return state === 'cancelled' ? undefined : { state: 'cancelled', ...kept };
    case 'resume':
      if (state === 'running') return undefined;
      // Kept: S3 tells of an object that is written, and the sweep's patience begins with it.
      return state === 'paused'
        ? { state: 'running', ...kept }
        : { state: 'running', ...kept, cancelled: { from: before.at ?? at, until: at } };
  }
}

/** @throws what the store throws */
export async function readRunControl(run: string, store: Pick<ObjectStore, 'get'>): Promise<RunControl> {
  try {
    const object = await store.get(runControlKey(run), maxControlBytes);
    if (object === undefined) return { state: 'running', eTag: undefined, setMs: 0 };
    const { body, eTag, modifiedMs: setMs } = object;
    try {
      const setting = parseRunSetting(body);
      return { at: new Date(setMs).toISOString(), ...setting, eTag, setMs };
    } catch (error) {
      if (!(error instanceof InputError)) throw error;
      return { state: 'running', eTag, setMs: 0, problem: error.message };
    }
  } catch (error) {
    if (!(error instanceof ItemError)) throw error;
    return { state: 'running', eTag: error.code, setMs: 0, problem: error.message };
  }
}

export function logInvalidControl(run: string, { problem }: RunControl, log: Log): void {
  if (problem === undefined) return;
  log.error(
    'What is set for the run is invalid, so the run is neither paused nor cancelled. Correct it and drop it again.',
    {
      run,
      key: runControlKey(run),
      problem,
    },
  );
}

/** Until when a run was stopped, in milliseconds since 1970; Infinity while it is. */
export function runStoppedUntilMs({ state, setMs }: Pick<RunControl, 'state' | 'setMs'>): number {
  return state === 'running' ? setMs : Infinity;
}

/** @returns undefined for a run that is neither paused nor cancelled */
export function runStopOf({ state, reason, at, setMs }: RunControl): RunStop | undefined {
  if (state === 'running') return undefined;
  return { state, ...(reason !== undefined && { reason }), at: at ?? new Date(setMs).toISOString() };
}

/** Tells what is set for a run, some seconds old at most. @throws what the store throws, when nothing younger is known */
export type RunControls = (run: string) => Promise<RunControl>;

/**
 * A run that was stopped is looked at again so soon, in milliseconds: resumed, its items must not be requeued once more since
 * their environment does not know of it yet.
 */
const stoppedStaleMs = 1_000;

/** As old as what is known may be while it can't be read again, in milliseconds. */
const keptMs = 30_000;

/** Runs that an environment works on; there are few. */
const maxRuns = 50;

type Known = { control: RunControl; readAtMs: number; triedAtMs: number; reading: Promise<void> | undefined };

export function createRunControls({
  store,
  clock,
  log,
}: {
  store: Pick<ObjectStore, 'get'>;
  clock: Pick<Clock, 'now'>;
  log: Log;
}): RunControls {
  const known = new Map<string, Known>();

  async function readAgain(run: string, entry: Known): Promise<void> {
    const startedMs = clock.now();
    try {
      const control = await readRunControl(run, store);
      if (control.eTag !== entry.control.eTag) logInvalidControl(run, control, log);
      entry.control = control;
      entry.readAtMs = startedMs;
    } catch (error) {
      if (startedMs - entry.readAtMs > keptMs) throw error;
      log.warn('What is set for the run could not be read again; the last that was read stays.', { run, error });
    }
    entry.triedAtMs = startedMs;
  }

  function entryOf(run: string): Known {
    const before = known.get(run);
    if (before !== undefined) return before;
    const [oldest] = known.keys();
    if (known.size >= maxRuns && oldest !== undefined) known.delete(oldest);
    const control: RunControl = { state: 'running', eTag: undefined, setMs: 0 };
    const entry = { control, readAtMs: -Infinity, triedAtMs: -Infinity, reading: undefined };
    known.set(run, entry);
    return entry;
  }

  return async (run) => {
    const entry = entryOf(run);
    const mayBeOldMs = entry.control.state === 'running' ? staleMs : stoppedStaleMs;
    if (clock.now() - entry.triedAtMs >= mayBeOldMs)
      await (entry.reading ??= readAgain(run, entry).finally(() => (entry.reading = undefined)));
    return entry.control;
  };
}

/** @throws DeferredError `RUN_PAUSED`; CancelledError; as `controls` */
export async function throwIfStopped(run: string, controls: RunControls): Promise<void> {
  const { state, reason } = await controls(run);
  const why = reason === undefined ? '' : ` (${reason})`;
  if (state === 'paused')
    throw new DeferredError('RUN_PAUSED', `The run ${run} is paused by ${runControlKey(run)}${why}.`);
  if (state === 'cancelled') throw new CancelledError(`The run ${run} is cancelled by ${runControlKey(run)}${why}.`);
}
