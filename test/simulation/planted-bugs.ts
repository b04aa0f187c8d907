/**
 * Bugs that the simulation must find, each as a change of the source, so that the checker is checked. A text that is not there
 * any more, or is there twice, is an error: then the bug has to be written anew.
 */
import { cpSync, mkdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import type { PromiseName } from './checker.ts';
import { coreFiles, projectFolder } from './core.ts';

export type PlantedBug = {
  bug: string;
  file: string;
  from: string;
  to: string;
  breaks: PromiseName[];
  /** As `--fault`: it shows only where these meet, which is seldom. */
  faults?: string;
};

export const plantedBugs: readonly PlantedBug[] = [
  {
    bug: 'the receipt is written before the children',
    file: 'shared/engine/item/item.ts',
    from: '  const expansion = await expand({',
    to: '  await writeReceipt(path, object, { children: 0, existing: 0 }, work, event, deps);\n  const expansion = await expand({',
    breaks: ['completeness'],
  },
  {
    bug: 'a child is written whatever is there',
    file: 'shared/engine/item/expand.ts',
    from: "if ((await store.create(key, body, options.metadata())) === 'exists') existing += 1;",
    to: 'await store.put(key, body, options.metadata());',
    breaks: ['idempotence'],
  },
  {
    bug: 'replay deletes letters before it re-fires',
    file: 'shared/engine/recovery/replay.ts',
    from: '        const takes = await Promise.allSettled(',
    to: '        await level.queue.remove(messages.map(({ handle }) => handle));\n        const takes = await Promise.allSettled(',
    breaks: ['conservation'],
  },
  {
    bug: "replay does not wait for the re-fire's answer",
    file: 'shared/engine/recovery/replay.ts',
    from: 'await refire.send(withReplays(',
    to: 'void refire.send(withReplays(',
    breaks: ['conservation', 'idempotence'],
  },
  {
    bug: 'an error that may pass is swallowed',
    file: 'shared/engine/item/item.ts',
    from: "then it goes to the dead-letter queue.', fields);\n      throw error;",
    to: "then it goes to the dead-letter queue.', fields);\n      return { outcome: 'failed', written: 0, apiCalls: work.apiCalls };",
    breaks: ['conservation'],
  },
  {
    bug: 'a dead letter that could not be sent is forgotten',
    file: 'shared/engine/item/item.ts',
    from: 'await sendDeadLetter(event, note, deps);',
    to: 'await sendDeadLetter(event, note, deps).catch(() => undefined);',
    breaks: ['conservation'],
  },
  {
    bug: 'an item that has to wait is forgotten when its message could not be sent',
    file: 'shared/engine/item/item.ts',
    from: 'await sendToWait(event, work, error, deps);',
    to: 'await sendToWait(event, work, error, deps).catch(() => undefined);',
    breaks: ['conservation'],
  },
  {
    bug: "an event's key is used as it came",
    file: 'shared/aws/s3-event.ts',
    from: "return decodeURIComponent(encoded.replaceAll('+', ' '));",
    to: 'return encoded;',
    breaks: ['conservation', 'completeness', 'convergence'],
  },
  {
    bug: 'the dot of an id stays as it is',
    file: 'shared/engine/chain/keys.ts',
    from: "/[.!~*'()]/g",
    to: "/[!~*'()]/g",
    breaks: ['completeness'],
  },
  {
    bug: 'a result is there before its body',
    file: 'shared/engine/item/item.ts',
    from: '  const body = await one({ ...path, key: event.key, read }, gate);',
    to: "  await store.create(resultKey(level, path), '{}', {});\n  const body = await one({ ...path, key: event.key, read }, gate);",
    breaks: ['completeness'],
  },
  {
    bug: 'the sweep re-fires without end',
    file: 'shared/engine/recovery/sweep.ts',
    from: 'refires: isGivenUp ? refires : refires + 1,',
    to: 'refires,',
    breaks: ['termination'],
  },
  {
    bug: 'a run with failures is marked complete',
    file: 'shared/engine/report/run-report.ts',
    from: 'items === done && short === 0 && stray === 0',
    to: 'short === 0 && stray === 0',
    breaks: ['truth'],
  },
  {
    bug: 'a run that is short of children is marked complete',
    file: 'shared/engine/report/run-report.ts',
    from: 'items === done && short === 0 && stray === 0',
    to: 'items === done && stray === 0',
    breaks: ['truth'],
  },
  {
    bug: 'the marker stays when a run is not complete any more',
    file: 'shared/engine/runs/markers.ts',
    from: '  await store.remove(successKey(run));\n',
    to: '',
    breaks: ['truth'],
  },
  {
    bug: 'any receipt will do, whatever it was written for',
    file: 'shared/engine/item/receipt.ts',
    from: "return level.children === 'one' || done.metadata['input-etag'] === itemETag;",
    to: "return level.children === 'one' || done.metadata['input-etag'] !== '' || itemETag === '';",
    breaks: ['conservation', 'convergence'],
  },
  {
    bug: 'a page that fails counts as the end of its list',
    file: 'shared/engine/item/expand.ts',
    from: '      upcoming = pages.next();\n      upcoming.catch(() => undefined);',
    to: '      upcoming = pages.next().catch(() => ({ done: true as const, value: undefined }));',
    breaks: ['completeness', 'truth'],
  },
  {
    bug: 'a child that could not be written is passed over',
    file: 'shared/engine/item/expand.ts',
    from: '        failed = true;\n        throw error;',
    to: '        failed = error === undefined;',
    breaks: ['completeness'],
  },
  {
    bug: 'an expansion answers while its next page is still asked for',
    file: 'shared/engine/item/expand.ts',
    from: '    await upcoming.catch(() => undefined);\n    await pages.return?.().catch(() => undefined);',
    to: '',
    breaks: ['idempotence'],
  },
  {
    bug: 'a done item is fetched again',
    file: 'shared/engine/item/item.ts',
    from: 'if (done !== undefined && isDone(level, done, object.eTag) && isDoneSince(event, done)) return duplicate;',
    to: '',
    breaks: ['idempotence'],
  },
  {
    bug: 'a child carries its run as its parent',
    file: 'shared/engine/item/item.ts',
    from: "'parent-key': key",
    to: "'parent-key': run",
    breaks: ['completeness'],
  },
  {
    bug: "a child's JSON is parsed and printed again",
    file: 'shared/source/schemas.ts',
    from: "body: texts[index] ?? '' }",
    to: 'body: JSON.stringify((value as { items: unknown[] }).items[index]) }',
    breaks: ['completeness'],
  },
  {
    bug: 'only the first call of an item waits for its turn',
    file: 'shared/engine/rate/call-gate.ts',
    from: 'await turns.take(deadlineMs);',
    to: 'if (calls === 0) await turns.take(deadlineMs);',
    breaks: ['rate'],
  },
  {
    bug: 'an invocation does not pay for its calls at its end',
    file: 'shared/engine/rate/turns.ts',
    faults: 'environment-recycled=0.5',
    from: 'while (lastCallMs > -Infinity)',
    to: 'while (lastCallMs > Infinity)',
    breaks: ['rate'],
  },
  {
    bug: 'a pause is not heard of',
    file: 'shared/engine/rate/turns.ts',
    from: 'if (state.paused) throw',
    to: 'if (state.paused && rate.share > 1) throw',
    breaks: ['rate'],
  },
  {
    bug: 'an item that waited is forgotten when its re-fire fails',
    file: 'shared/engine/recovery/resume.ts',
    from: 'for (const { record } of items) await refire.send(record);',
    to: 'for (const { record } of items) await refire.send(record).catch(() => undefined);',
    breaks: ['conservation'],
  },
];

/** Copies the core into a folder, with the bug in it. @throws Error when the text is not there exactly once */
export function plant({ bug, file, from, to }: Pick<PlantedBug, 'bug' | 'file' | 'from' | 'to'>, folder: string): void {
  for (const path of coreFiles) {
    mkdirSync(dirname(join(folder, path)), { recursive: true });
    cpSync(join(projectFolder, path), join(folder, path), { recursive: true });
  }
  symlinkSync(join(projectFolder, 'node_modules'), join(folder, 'node_modules'));
  writeFileSync(join(folder, 'package.json'), '{"type":"module"}');
  const source = readFileSync(join(folder, file), 'utf8');
  const places = source.split(from).length - 1;
  if (places !== 1) throw new Error(`The bug "${bug}" can't be planted: its text is ${places} times in ${file}.`);
  writeFileSync(
    join(folder, file),
    source.replace(from, () => to),
  );
}
