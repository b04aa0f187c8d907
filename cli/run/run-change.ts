/** Pauses, resumes and cancels one run, as `npm run run` and the page do: what is set in the bucket, with the person's own rights. */
import { runControlKey, seedKey } from '../../shared/engine/chain/keys.ts';
import { InputError } from '../../shared/engine/errors.ts';
import type { ObjectStore } from '../../shared/engine/ports.ts';
import {
  changeRunSetting,
  readRunControl,
  type RunControlState,
  type RunWish,
} from '../../shared/engine/runs/run-control.ts';
import { UsageError } from '../terminal/options.ts';
import { DeploymentError } from './function-client.ts';

export type RunChange = { wish: RunWish; reason?: string | undefined };

export type RunChanged = {
  run: string;
  state: RunControlState;
  before: RunControlState;
  /** When it was set, ISO 8601; absent when nothing is set. */
  at?: string;
  reason?: string;
};

type Place = { bucket: string; store: Pick<ObjectStore, 'get' | 'head' | 'put'> };

/** @throws UsageError when there is no such run, or it can't be so; DeploymentError when the bucket can't be read or written */
export async function setRun(run: string, { wish, reason }: RunChange, { bucket, store }: Place): Promise<RunChanged> {
  const key = runControlKey(run);
  try {
    if ((await store.head(seedKey(run))) === undefined)
      throw new UsageError(`There is no run ${run}: there is no seed s3://${bucket}/${seedKey(run)}.`);
    const before = await readRunControl(run, store);
    const setting = changeRunSetting(before, wish, { at: new Date().toISOString(), reason });
    if (setting !== undefined) await store.put(key, JSON.stringify(setting), {});
    const { state, at, reason: why } = setting ?? before;
    return {
      ...{ run, state, before: before.state },
      ...(at !== undefined && { at }),
      ...(why !== undefined && { reason: why }),
    };
  } catch (error) {
    if (error instanceof UsageError) throw error;
    if (error instanceof InputError) throw new UsageError(sentence(error.message), { cause: error });
    const { name, message } = error as Error;
    throw new DeploymentError(`s3://${bucket}/${key} could not be set: ${name}: ${message}`, { cause: error });
  }
}

function sentence(message: string): string {
  const text = message.replace(/^Bad input: /, '');
  return `${text.charAt(0).toUpperCase()}${text.slice(1)}.`;
}

/** What came of it. */
export function changedWords({ run, state, before }: RunChanged): string {
  if (state === before) return `The run ${run} was ${state} already.`;
  if (state === 'paused') return `The run ${run} is paused: no call for it within ten seconds. Its items wait.`;
  if (state === 'cancelled')
    return `The run ${run} is cancelled: no call for it within ten seconds. What was written stays.`;
  return before === 'cancelled'
    ? `The run ${run} is resumed: the next sweep, a minute from now at the earliest, re-fires what is open.`
    : `The run ${run} is resumed: its items that waited are requeued.`;
}
