/**
 * The code that is tried: whichever tree of it a folder holds, so that a changed copy can be tried like the real one. It
 * holds the decisions and what reads events; nothing of it knows a clock, a network or this simulation.
 */
import { join, resolve } from 'node:path';

export const projectFolder = resolve(import.meta.dirname, '../..');

/** The files that are needed, under the project's folder; what they import is beneath them too. */
export const coreFiles = [
  'shared/engine',
  'shared/aws/s3-event.ts',
  'shared/aws/dead-letter-message.ts',
  'shared/source/schemas.ts',
  'shared/source/element-texts.ts',
  'shared/lambda/event-life.ts',
];

export async function loadCore(folder = projectFolder) {
  const at = (path: string): string => join(folder, 'shared', path);
  const [
    chain,
    errors,
    item,
    replay,
    sweep,
    status,
    rate,
    turns,
    control,
    watch,
    retry,
    seed,
    events,
    letters,
    schemas,
    life,
  ] = await Promise.all([
    import(at('engine/chain/chain.ts')) as Promise<typeof import('../../shared/engine/chain/chain.ts')>,
    import(at('engine/errors.ts')) as Promise<typeof import('../../shared/engine/errors.ts')>,
    import(at('engine/item/item.ts')) as Promise<typeof import('../../shared/engine/item/item.ts')>,
    import(at('engine/recovery/replay.ts')) as Promise<typeof import('../../shared/engine/recovery/replay.ts')>,
    import(at('engine/recovery/sweep.ts')) as Promise<typeof import('../../shared/engine/recovery/sweep.ts')>,
    import(at('engine/report/status.ts')) as Promise<typeof import('../../shared/engine/report/status.ts')>,
    import(at('engine/recovery/apply-rate.ts')) as Promise<typeof import('../../shared/engine/recovery/apply-rate.ts')>,
    import(at('engine/rate/turns.ts')) as Promise<typeof import('../../shared/engine/rate/turns.ts')>,
    import(at('engine/rate/rate-control.ts')) as Promise<typeof import('../../shared/engine/rate/rate-control.ts')>,
    import(at('engine/item/failure-watch.ts')) as Promise<typeof import('../../shared/engine/item/failure-watch.ts')>,
    import(at('engine/rate/call-gate.ts')) as Promise<typeof import('../../shared/engine/rate/call-gate.ts')>,
    import(at('engine/runs/seed.ts')) as Promise<typeof import('../../shared/engine/runs/seed.ts')>,
    import(at('aws/s3-event.ts')) as Promise<typeof import('../../shared/aws/s3-event.ts')>,
    import(at('aws/dead-letter-message.ts')) as Promise<typeof import('../../shared/aws/dead-letter-message.ts')>,
    import(at('source/schemas.ts')) as Promise<typeof import('../../shared/source/schemas.ts')>,
    import(at('lambda/event-life.ts')) as Promise<typeof import('../../shared/lambda/event-life.ts')>,
  ]);
  return {
    levels: chain.chain as readonly Level[],
    ...errors,
    ...item,
    ...replay,
    ...sweep,
    ...status,
    ...rate,
    ...turns,
    ...control,
    ...watch,
    ...retry,
    ...seed,
    ...events,
    ...letters,
    ...schemas,
    ...life,
  };
}

export type Level = import('../../shared/engine/chain/chain.ts').Level;
export type Core = Awaited<ReturnType<typeof loadCore>>;
