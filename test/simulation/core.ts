/**
 * The code that is tried: whichever tree of it a folder holds, so that a changed copy can be tried like the real one. It
 * holds the decisions and what reads events; nothing of it knows a clock, a network or this simulation.
 */
import { join, resolve } from 'node:path';

export const projectFolder = resolve(import.meta.dirname, '../..');

/** The files that are needed, under the project's folder; what they import is beneath them too. */
export const coreFiles = [
  'shared/chain.ts',
  'shared/core',
  'shared/aws/s3-event.ts',
  'shared/aws/dead-letter-message.ts',
  'shared/hermes/schemas.ts',
  'shared/hermes/element-texts.ts',
  'shared/runtime/event-life.ts',
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
    import(at('chain.ts')) as Promise<typeof import('../../shared/chain.ts')>,
    import(at('core/errors.ts')) as Promise<typeof import('../../shared/core/errors.ts')>,
    import(at('core/item.ts')) as Promise<typeof import('../../shared/core/item.ts')>,
    import(at('core/replay.ts')) as Promise<typeof import('../../shared/core/replay.ts')>,
    import(at('core/sweep.ts')) as Promise<typeof import('../../shared/core/sweep.ts')>,
    import(at('core/status.ts')) as Promise<typeof import('../../shared/core/status.ts')>,
    import(at('core/take-up-rate.ts')) as Promise<typeof import('../../shared/core/take-up-rate.ts')>,
    import(at('core/turns.ts')) as Promise<typeof import('../../shared/core/turns.ts')>,
    import(at('core/rate-control.ts')) as Promise<typeof import('../../shared/core/rate-control.ts')>,
    import(at('core/failure-watch.ts')) as Promise<typeof import('../../shared/core/failure-watch.ts')>,
    import(at('core/retry.ts')) as Promise<typeof import('../../shared/core/retry.ts')>,
    import(at('core/seed.ts')) as Promise<typeof import('../../shared/core/seed.ts')>,
    import(at('aws/s3-event.ts')) as Promise<typeof import('../../shared/aws/s3-event.ts')>,
    import(at('aws/dead-letter-message.ts')) as Promise<typeof import('../../shared/aws/dead-letter-message.ts')>,
    import(at('hermes/schemas.ts')) as Promise<typeof import('../../shared/hermes/schemas.ts')>,
    import(at('runtime/event-life.ts')) as Promise<typeof import('../../shared/runtime/event-life.ts')>,
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

export type Level = import('../../shared/chain.ts').Level;
export type Core = Awaited<ReturnType<typeof loadCore>>;
