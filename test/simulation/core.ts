/**
 * The code that is tried: whichever tree of it a folder holds, so that a changed copy can be tried like the real one. It
 * holds the decisions and what reads events, letters and answers; nothing of it knows a clock, a network or this simulation.
 */
import { join, resolve } from 'node:path';

export const projectFolder = resolve(import.meta.dirname, '../..');

/** The files that are needed, under the project's folder; what they import is beneath them too. */
export const coreFiles = [
  'shared/engine',
  'shared/aws/event-codec.ts',
  'shared/aws/letter-codec.ts',
  'shared/source',
  'shared/lambda/event-life.ts',
];

export async function loadCore(folder = projectFolder) {
  const at = (path: string): string => join(folder, 'shared', path);
  const [
    chain,
    chainProblems,
    errors,
    item,
    replay,
    sweep,
    status,
    explain,
    rate,
    rateUse,
    turns,
    lease,
    control,
    watch,
    retry,
    params,
    runControl,
    events,
    letters,
    answers,
    lists,
    elements,
    json,
    paths,
    life,
  ] = await Promise.all([
    import(at('engine/chain/chain.ts')) as Promise<typeof import('../../shared/engine/chain/chain.ts')>,
    import(at('engine/chain/chain-problems.ts')) as Promise<
      typeof import('../../shared/engine/chain/chain-problems.ts')
    >,
    import(at('engine/errors.ts')) as Promise<typeof import('../../shared/engine/errors.ts')>,
    import(at('engine/item/item.ts')) as Promise<typeof import('../../shared/engine/item/item.ts')>,
    import(at('engine/recovery/replay.ts')) as Promise<typeof import('../../shared/engine/recovery/replay.ts')>,
    import(at('engine/recovery/sweep.ts')) as Promise<typeof import('../../shared/engine/recovery/sweep.ts')>,
    import(at('engine/report/status.ts')) as Promise<typeof import('../../shared/engine/report/status.ts')>,
    import(at('engine/report/explain.ts')) as Promise<typeof import('../../shared/engine/report/explain.ts')>,
    import(at('engine/recovery/apply-rate.ts')) as Promise<typeof import('../../shared/engine/recovery/apply-rate.ts')>,
    import(at('engine/rate/rate-use.ts')) as Promise<typeof import('../../shared/engine/rate/rate-use.ts')>,
    import(at('engine/rate/turns.ts')) as Promise<typeof import('../../shared/engine/rate/turns.ts')>,
    import(at('engine/rate/share-lease.ts')) as Promise<typeof import('../../shared/engine/rate/share-lease.ts')>,
    import(at('engine/rate/rate-control.ts')) as Promise<typeof import('../../shared/engine/rate/rate-control.ts')>,
    import(at('engine/item/failure-watch.ts')) as Promise<typeof import('../../shared/engine/item/failure-watch.ts')>,
    import(at('engine/rate/call-gate.ts')) as Promise<typeof import('../../shared/engine/rate/call-gate.ts')>,
    import(at('engine/runs/run-params.ts')) as Promise<typeof import('../../shared/engine/runs/run-params.ts')>,
    import(at('engine/runs/run-control.ts')) as Promise<typeof import('../../shared/engine/runs/run-control.ts')>,
    import(at('aws/event-codec.ts')) as Promise<typeof import('../../shared/aws/event-codec.ts')>,
    import(at('aws/letter-codec.ts')) as Promise<typeof import('../../shared/aws/letter-codec.ts')>,
    import(at('source/answers.ts')) as Promise<typeof import('../../shared/source/answers.ts')>,
    import(at('source/list-pages.ts')) as Promise<typeof import('../../shared/source/list-pages.ts')>,
    import(at('source/elements.ts')) as Promise<typeof import('../../shared/source/elements.ts')>,
    import(at('source/json-answer.ts')) as Promise<typeof import('../../shared/source/json-answer.ts')>,
    import(at('source/json-path.ts')) as Promise<typeof import('../../shared/source/json-path.ts')>,
    import(at('lambda/event-life.ts')) as Promise<typeof import('../../shared/lambda/event-life.ts')>,
  ]);
  return {
    ...chain,
    ...chainProblems,
    ...errors,
    ...item,
    ...replay,
    ...sweep,
    ...status,
    ...explain,
    ...rate,
    ...rateUse,
    ...turns,
    ...lease,
    ...control,
    ...watch,
    ...retry,
    ...params,
    ...runControl,
    ...events,
    ...letters,
    ...answers,
    ...lists,
    ...elements,
    ...json,
    ...paths,
    ...life,
  };
}

export type Level = import('../../shared/engine/chain/chain.ts').Level;
export type Chain = import('../../shared/engine/chain/chain.ts').Chain;
export type Core = Awaited<ReturnType<typeof loadCore>>;

/** The bucket of a schedule's deployment, as events and letters name it. */
export const bucketName = 'bucket';
