/**
 * A contender's process, as the measurement sees it: started with its settings as one JSON argument, it says `ready`, is told
 * to begin (or, after a kill, to go on with what is left), and says `done` when no task is left. It ends when it is killed.
 */
import { createPerform, s3Writer, type JobSettings, type Task } from './job.ts';

export type FromWorker = { type: 'ready' } | Finished | { type: 'failed'; error: string };
export type Finished = {
  type: 'done';
  /** What a loop kept in memory. */
  inMemory?: { count: number; hash: string };
  /** By operation, where the contender's own S3 counts them. */
  s3Requests?: Record<string, number>;
};
/** `seed`: begin with the seed. `resume`: what was begun before the kill is all there is. */
export type ToWorker = 'seed' | 'resume';

export type Job = {
  settings: JobSettings;
  perform: (task: Task) => Promise<Task[]>;
  /** The task is done, and so many tasks that follow from it are with the tool. */
  expanded: (children: number) => void;
  /** A task that the tool has given up. */
  gaveUp: (error: unknown) => void;
};

/** Connects the tool, and returns what begins the work. */
export type Prepare = (job: Job) => Promise<(how: ToWorker) => Promise<void>>;

export function say(message: FromWorker): void {
  process.send?.(message);
}

export function readSettings(): JobSettings {
  return JSON.parse(process.argv[2] ?? '') as JobSettings;
}

export function sayFailed(error: unknown): void {
  say({ type: 'failed', error: error instanceof Error ? (error.stack ?? error.message) : String(error) });
}

/** Whoever forked this process tells it once how to begin; when that one is gone, it has no reason to live. */
export function onTold(begin: (how: ToWorker) => Promise<void>): void {
  process.once('message', (how: ToWorker) => void begin(how).catch(sayFailed));
  process.on('disconnect', () => process.exit(1));
  say({ type: 'ready' });
}

export async function serveTool(prepare: Prepare): Promise<void> {
  const settings = readSettings();
  let open = 1;
  try {
    const begin = await prepare({
      settings,
      perform: createPerform(settings, s3Writer(settings)),
      expanded(children) {
        open += children - 1;
        if (open === 0) say({ type: 'done' });
      },
      gaveUp: sayFailed,
    });
    onTold((how) => {
      // After a kill nobody here knows how much is left: whoever measures sees when nothing happens any more.
      if (how === 'resume') open = Infinity;
      return begin(how);
    });
  } catch (error) {
    sayFailed(error);
  }
}
