/**
 * Bugs that the simulation must find, each as a change of the source, so that the checker is checked. A text that is not there
 * any more, or is there twice, is an error: then the bug has to be written anew.
 */
import { cpSync, existsSync, mkdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs';
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
    to: "  await leaveReceipt(path, object, { children: 0, existing: 0, digest: '0000000000000000' }, attempt);\n  const expansion = await expand({",
    breaks: ['completeness'],
  },
  {
    bug: 'a child is written whatever is there',
    file: 'shared/engine/item/child-objects.ts',
    from: "if ((await store.create(key, body, metadata())) === 'exists') this.#existing += 1;",
    to: 'await store.put(key, body, metadata());',
    breaks: ['idempotence'],
  },
  {
    bug: 'replay deletes letters before it re-fires',
    file: 'shared/engine/recovery/drain.ts',
    from: '      const takes = await Promise.allSettled(',
    to: '      await queue.remove(messages.map(({ handle }) => handle));\n      const takes = await Promise.allSettled(',
    breaks: ['conservation', 'idempotence'],
  },
  {
    bug: "replay does not wait for the re-fire's answer",
    file: 'shared/engine/recovery/item-return.ts',
    from: 'await refire.send({',
    to: 'void refire.send({',
    breaks: ['conservation', 'idempotence', 'truth'],
  },
  {
    bug: 'an error that may pass is swallowed',
    file: 'shared/engine/item/item.ts',
    from: "then it goes to the dead-letter queue.', fields);\n      throw error;",
    to: "then it goes to the dead-letter queue.', fields);\n      return { outcome: 'failed', written: 0, apiCalls: work.apiCalls };",
    breaks: ['truth', 'conservation'],
  },
  {
    bug: 'a dead letter that could not be sent is forgotten',
    file: 'shared/engine/item/item.ts',
    from: 'await sendDeadLetter(event, note, deps);',
    to: 'await sendDeadLetter(event, note, deps).catch(() => undefined);',
    breaks: ['truth', 'conservation'],
  },
  {
    bug: 'an item that has to wait is forgotten when its message could not be sent',
    file: 'shared/engine/item/item.ts',
    from: 'await sendToWait(attempt.event, work, error, deps);',
    to: 'await sendToWait(attempt.event, work, error, deps).catch(() => undefined);',
    breaks: ['truth', 'conservation'],
  },
  {
    bug: "an event's key is used as it came",
    file: 'shared/aws/event-codec.ts',
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
    from: '  const { body, contentType } = await one(',
    to: "  await store.create(resultKey(level, path), '{}', {});\n  const { body, contentType } = await one(",
    breaks: ['completeness'],
  },
  {
    bug: 'the sweep re-fires without end',
    file: 'shared/engine/recovery/lost-item.ts',
    from: 'refires: isGivenUp ? refires : refires + 1,',
    to: 'refires,',
    breaks: ['termination', 'idempotence'],
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
    from: '  await store.remove(successKey(chain, run));\n',
    to: '',
    breaks: ['truth'],
  },
  {
    bug: 'a run with a finished marker and no success marker is not looked at',
    file: 'shared/engine/recovery/runs-to-sweep.ts',
    from: '    finished.delete(run);\n',
    to: '',
    breaks: ['convergence'],
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
    file: 'shared/engine/concurrency.ts',
    from: '        (error: unknown) => void (failure ??= { error }),',
    to: '        () => undefined,',
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
    file: 'shared/engine/item/attempt.ts',
    from: "'parent-key': event.key",
    to: "'parent-key': run",
    breaks: ['completeness'],
  },
  {
    bug: "a child's JSON is parsed and printed again",
    file: 'shared/source/elements.ts',
    from: 'new JsonElement(each, values[index], call',
    to: 'new JsonElement(JSON.stringify(values[index]) ?? each, values[index], call',
    breaks: ['completeness'],
  },
  {
    bug: 'only the first call of an item waits for its turn',
    file: 'shared/engine/rate/call-gate.ts',
    from: '    await turns.take(deadlineMs);',
    to: '    if (calls === 0) await turns.take(deadlineMs);',
    breaks: ['rate'],
  },
  {
    bug: 'an invocation does not pay for its calls at its end',
    file: 'shared/engine/rate/turns.ts',
    faults: 'environment-recycled=0.5',
    from: 'while (lastCallMs > -Infinity)',
    to: 'while (lastCallMs > Infinity)',
    breaks: ['rate', 'convergence'],
  },
  {
    bug: 'a pause is not heard of',
    file: 'shared/engine/rate/rate-control.ts',
    from: 'paused: rate?.setting.paused ?? false,',
    to: 'paused: false,',
    breaks: ['rate'],
  },
  {
    bug: 'an item that waited is forgotten when its re-fire fails',
    file: 'shared/engine/recovery/resume.ts',
    from: 'for (const event of letter.items) await refire.send(event);',
    to: 'for (const event of letter.items) await refire.send(event).catch(() => undefined);',
    breaks: ['truth', 'conservation'],
  },
  {
    bug: 'a seed that is dropped again in the middle of a census is not noticed',
    file: 'shared/engine/recovery/sweep.ts',
    from: 'const isSameSeed = seedETag !== undefined && (await seedETagOf(run, store)) === seedETag;',
    to: 'const isSameSeed = seedETag !== undefined;',
    faults: 'seed-dropped-in-census=1',
    breaks: ['truth', 'convergence'],
  },
  {
    bug: 'a seed that is expanded again leaves the success marker',
    file: 'shared/engine/item/item.ts',
    from: '  await unmarkComplete(deps.chain, run, deps.store);\n',
    to: '',
    breaks: ['truth'],
  },
  {
    bug: 'a second letter is deleted before the item of the first was accepted',
    file: 'shared/engine/recovery/item-return.ts',
    from: 'return isSameDeath && (await taken.accepted);',
    to: 'return isSameDeath;',
    faults: 'letter-copied=0.5,invoke-fails=0.3',
    breaks: ['conservation'],
  },
  {
    bug: "an older seed's receipt overwrites a newer one's",
    file: 'shared/engine/item/item.ts',
    from: 'if (path.ids.length === 0 && (await store.head(event.key))?.eTag !== object.eTag)',
    to: 'if (path.ids.length === 0 && (await store.head(event.key)) === undefined)',
    faults: 'seed-dropped-twice=0.8',
    breaks: ['idempotence'],
  },
  {
    bug: 'an order to wait stops nobody else',
    file: 'shared/engine/rate/call-gate.ts',
    from: '    await turns.freeze(freezeMs);\n',
    to: '',
    breaks: ['rate'],
  },
  {
    bug: 'each re-fire of an item may stop all calls as long as the first event',
    file: 'shared/engine/rate/call-gate.ts',
    from: 'Math.floor(maxItemFreezeMs / 2 ** refires)',
    to: 'Math.floor(maxItemFreezeMs / 1 ** refires)',
    faults: 'poisoned-item=0.7,queue-loses-event=0.3',
    breaks: ['rate'],
  },
  {
    bug: 'a resume deletes what it can not read',
    file: 'shared/engine/recovery/resume.ts',
    from: '        body: excerpt,\n      });\n      return false;',
    to: '        body: excerpt,\n      });\n      return true;',
    breaks: ['conservation'],
  },
  {
    bug: 'a shorter freeze that is read replaces a longer one that is known',
    file: 'shared/engine/rate/rate-control.ts',
    from: 'frozenUntilMs = Math.max(frozenUntilMs, freezeMs);',
    to: 'frozenUntilMs = freezeMs;',
    faults: 'api-throttles=0.5',
    breaks: ['rate'],
  },
  {
    bug: 'the sweep re-fires before it notes',
    file: 'shared/engine/recovery/lost-item.ts',
    from: '  await writeFailureNote(level, note, store);\n  const fields',
    to: "  if (!isGivenUp)\n    await deps.refires.get(level.name)?.send(newEvent(key, clock.now(), { replays, refires: note.refires, reexpand: isShort }));\n  await writeFailureNote(level, note, store);\n  if (!isGivenUp) return 'refired';\n  const fields",
    breaks: ['termination'],
  },
  {
    bug: 'a result part is overwritten instead of created',
    file: 'shared/engine/item/result-parts.ts',
    from: "const outcome = await this.#store.create(key, body, metadata, 'application/x-ndjson');",
    to: "const outcome: string = await this.#store.put(key, body, metadata).then(() => 'created');",
    faults: 'event-duplicated=0.5,api-slow=0.3',
    breaks: ['idempotence'],
  },
  {
    bug: 'the bits of what a part has are off by one',
    file: 'shared/engine/item/item-set.ts',
    from: '| (1 << (index & 7));',
    to: '| (1 << ((index + 1) & 7));',
    breaks: ['truth'],
  },
  {
    bug: 'a number of a batch is left out',
    file: 'shared/engine/item/child-objects.ts',
    from: 'while (this.#taken.has(this.#number)) this.#number += 1;',
    to: 'while (this.#taken.has(this.#number)) this.#number += 2;',
    breaks: ['completeness'],
  },
  {
    bug: 'a batch with failed items counts as done',
    file: 'shared/engine/item/batch-fetch.ts',
    from: '    if (this.#failed.size > 0) throw this.#error();\n',
    to: '',
    breaks: ['truth', 'conservation'],
  },
  {
    bug: 'a report counts failed items of a batch as done',
    file: 'shared/engine/report/census.ts',
    from: '    count.done += held.size;\n',
    to: '    count.done += walked.hasFailure ? items : held.size;\n',
    breaks: ['truth'],
  },
  {
    bug: 'a batch that has a part is taken for whole',
    file: 'shared/engine/item/batch-fetch.ts',
    from: 'if (parts.held.size === items.length) return',
    to: 'if (parts.taken.size > 0) return',
    breaks: ['conservation'],
  },
  {
    bug: 'the census takes a batch that has a part for whole',
    file: 'shared/engine/report/census.ts',
    from: 'return held.size === items ? undefined :',
    to: 'return walked.done.length > 0 ? undefined :',
    breaks: ['truth', 'convergence'],
  },
  {
    bug: 'children that are in a batch which another invocation wrote are written once more',
    file: 'shared/engine/item/child-objects.ts',
    from: '    if (this.#known.has(child.id)) return;\n',
    to: '',
    breaks: ['idempotence'],
  },
  {
    bug: 'an item of a batch that failed for good is called at each attempt',
    file: 'shared/engine/item/batch-fetch.ts',
    from: 'if (before !== undefined && isSpent(before, event)) this.#failed.set(index, before);',
    to: '',
    breaks: ['idempotence', 'termination'],
  },
  {
    bug: 'items of a batch that have to wait are forgotten',
    file: 'shared/engine/item/batch-fetch.ts',
    from: '      throw deferred;\n',
    to: "      return { outcome: 'deferred', written: this.#done, apiCalls: work.apiCalls };\n",
    breaks: ['truth', 'conservation'],
  },
  {
    bug: "a batch's note does not say which items failed",
    file: 'shared/engine/item/batch-fetch.ts',
    from: 'work.items = this.#failed.size > 0 ?',
    to: 'work.items = this.#failed.size < 0 ?',
    breaks: ['conservation'],
  },
  {
    bug: 'what stops a function is not isolated',
    file: 'shared/engine/item/batch-isolation.ts',
    from: 'if (this.#suspects.size === 0) return',
    to: 'if (this.#suspects.size >= 0) return',
    breaks: ['termination', 'convergence'],
  },
  {
    bug: 'what is under way in a batch is not noted',
    file: 'shared/engine/item/batch-fetch.ts',
    from: 'if (this.#isolation.isNoted &&',
    to: 'if (!this.#isolation.isNoted &&',
    breaks: ['termination', 'convergence', 'truth', 'conservation'],
  },
  {
    bug: 'a result that another invocation stored meanwhile is stored once more',
    file: 'shared/engine/item/result-parts.ts',
    from: '      for (const index of this.#parts.held) this.#lines.delete(index);\n',
    to: '',
    faults: 'event-duplicated=0.5',
    breaks: ['idempotence'],
  },
  {
    bug: "a result's JSON is parsed and printed again in its line",
    file: 'shared/engine/item/result-parts.ts',
    from: '"data":${oneLine(json)}}',
    to: '"data":${JSON.stringify(JSON.parse(json))}}',
    breaks: ['completeness'],
  },
  {
    bug: 'results of a batch that was deleted are not looked for',
    file: 'shared/engine/item/batch-fetch.ts',
    from: 'const earlier = earlierNumberIn(object.metadata);',
    to: 'const earlier = earlierNumberIn({});',
    faults: 'forged-batch=1',
    breaks: ['idempotence', 'convergence'],
  },
  {
    bug: 'a run is unmarked before what spares the sweep a look at it is gone',
    file: 'shared/engine/runs/markers.ts',
    from: '  await removeFinished(run, store);\n  await store.remove(successKey(chain, run));\n',
    to: '  await store.remove(successKey(chain, run));\n  await removeFinished(run, store);\n',
    breaks: ['truth'],
  },
  {
    bug: 'what a replay looked at and left stays invisible',
    file: 'shared/engine/recovery/drain.ts',
    from: '    await queue.release(held);\n',
    to: '',
    breaks: ['conservation'],
  },
  {
    bug: 'every attempt is the first one',
    file: 'shared/engine/item/item-failure.ts',
    from: '1 + (note?.attempts ?? 0)',
    to: '1',
    breaks: ['conservation'],
  },
  {
    bug: 'items that failed are counted as open',
    file: 'shared/engine/item/standing.ts',
    from: "if (isOfAll && note.status !== 'refired' && note.status !== 'isolating') {",
    to: "if (isOfAll && note.status === 'parked') {",
    breaks: ['truth', 'termination'],
  },
  {
    bug: 'an event of a cancelled run is a failure',
    file: 'shared/engine/item/item.ts',
    from: '    if (error instanceof CancelledError) return logCancelled(attempt);\n',
    to: '',
    breaks: ['conservation'],
  },
  {
    bug: 'an event of a paused run ends as if it were cancelled',
    file: 'shared/engine/runs/run-control.ts',
    from: "throw new DeferredError('RUN_PAUSED', `The run",
    to: 'throw new CancelledError(`The run',
    breaks: ['conservation'],
  },
  {
    bug: 'items of a paused run are given back again and again',
    file: 'shared/engine/recovery/resume.ts',
    from: "    if (state === 'paused') return false;\n",
    to: '',
    breaks: ['termination'],
  },
  {
    bug: 'the sweep takes the time of a pause for age',
    file: 'shared/engine/recovery/sweep.ts',
    from: 'Math.max(stoppedUntilMs, runStoppedUntilMs(control))',
    to: 'stoppedUntilMs',
    breaks: ['termination', 'conservation'],
  },
  {
    bug: 'what is set for a run is read once',
    file: 'shared/engine/runs/run-control.ts',
    from: 'if (clock.now() - entry.triedAtMs >= mayBeOldMs)',
    to: 'if (entry.triedAtMs === -Infinity)',
    breaks: ['rate', 'conservation'],
  },
  {
    bug: 'what is set for one run holds for all',
    file: 'shared/engine/runs/run-control.ts',
    from: 'const before = known.get(run);',
    to: 'const [before] = known.values();',
    breaks: ['termination', 'convergence', 'conservation'],
  },
  {
    bug: 'a pause is noticed between events only',
    file: 'shared/engine/item/attempt.ts',
    from: 'turns.take(untilMs, () => throwIfRunStopped(work, deps))',
    to: 'turns.take(untilMs)',
    faults: 'run-stopped=1',
    breaks: ['rate'],
  },
  {
    bug: 'what a cancelled run has lost by it does not come back',
    file: 'shared/engine/recovery/stopped-run.ts',
    from: "if (kind === 'open') return true;",
    to: "if (kind === 'open') return false;",
    breaks: ['convergence'],
  },
  {
    bug: 'a replay of all runs gives out items of a cancelled one',
    file: 'shared/engine/recovery/replay.ts',
    from: "return run !== undefined && (await this.#runControls(run)).state === 'cancelled';",
    to: 'return run === undefined;',
    breaks: ['termination'],
  },
];

/** Copies the core into a folder, with the bug in it. @throws Error when the text is not there exactly once */
export function plant(bug: Pick<PlantedBug, 'bug' | 'file' | 'from' | 'to'>, folder: string): void {
  copyCore(folder, { file: bug.file, text: withBug(bug) });
}

/** Copies the core into a folder, where one file has another text. */
export function copyCore(folder: string, { file, text }: { file: string; text: string }): void {
  for (const path of coreFiles) {
    mkdirSync(dirname(join(folder, path)), { recursive: true });
    cpSync(join(projectFolder, path), join(folder, path), { recursive: true });
  }
  symlinkSync(join(projectFolder, 'node_modules'), join(folder, 'node_modules'));
  writeFileSync(join(folder, 'package.json'), '{"type":"module"}');
  writeFileSync(join(folder, file), text);
}

/** @returns the file with the bug in it @throws Error, naming file and text, when the text is not there exactly once */
export function withBug({ bug, file, from, to }: Pick<PlantedBug, 'bug' | 'file' | 'from' | 'to'>): string {
  const path = join(projectFolder, file);
  if (!existsSync(path)) throw new Error(`The bug "${bug}" does not apply: there is no ${file}.`);
  const source = readFileSync(path, 'utf8');
  const places = source.split(from).length - 1;
  if (places !== 1)
    throw new Error(`The bug "${bug}" does not apply: ${file} has this text ${places} times, and not once:\n${from}`);
  return source.replace(from, () => to);
}
