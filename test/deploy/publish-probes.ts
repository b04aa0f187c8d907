/** Has the functions that publish do all that they can do, and replay, sweep and status what they do for these. */
import { failureKey, finishedKey, itemKey, seedKey, successKey } from '../../shared/engine/chain/keys.ts';
import type { Chain, Level } from '../../shared/engine/chain/chain.ts';
import type { Publication } from '../../shared/engine/publish/publication.ts';
import { publishLevels } from '../../shared/engine/publish/publish-levels.ts';
import { publicationKey } from '../../shared/engine/publish/table-keys.ts';

/** What a probe does on its engine. */
export type Hands = {
  chain: Chain;
  put: (key: string, body: string) => string;
  keys: (prefix: string) => string[];
  call: (name: string, event: object) => Promise<void>;
  event: (key: string, replays?: number) => object;
  send: (level: Level, kind: 'dead-letters', body: object | string) => void;
  /** Puts the complete run there under another name. */
  copyRun: (run: string) => void;
  eTagOf: (key: string) => string;
};

export async function probePublishing(hands: Hands): Promise<void> {
  const levels = publishLevels(hands.chain);
  if (levels === undefined) return;
  const { publish, piece } = levels;
  const { chain, put, keys, call, event, send, copyRun } = hands;
  const marked = (run: string): string => put(successKey(chain, run), JSON.stringify({ run }));
  const take = async (run: string): Promise<void> => {
    await call(publish.function, event(marked(run)));
    for (const key of keys(`${piece.reads}/${run}/`)) await call(piece.function, event(key));
  };
  // Two runs, of which the second is compared with the first; and the first once more.
  for (const run of ['publish-a', 'publish-b', 'publish-a']) {
    copyRun(run);
    await take(run);
  }
  // A run that had more parts: its types are looked at before they are written; in a second attempt they are known.
  copyRun('publish-parts');
  const tables = [{ table: chain.levels.at(-1)?.name ?? '', parts: 2 }];
  putPublication(hands, 'publish-parts', { plan: tables });
  await take('publish-parts');
  // What can't be published is noted and sent.
  await call(publish.function, event(`${publish.reads}/no run/_SUCCESS`));
  await call(piece.function, event(put(`${piece.reads}/publish-bad/x/y/00000.json`, '{}')));

  const replayed = itemKey(piece, { run: 'publish-replay', ids: ['x', 'y', '00000'] });
  for (const [level, key] of [
    [publish, marked('publish-replay')],
    [piece, put(replayed, '{}')],
  ] as const) {
    for (const letter of [event(key), event(key, 99), 'not understood']) send(level, 'dead-letters', letter);
    await call('replay', { level: level.name });
  }

  // Both events of a run may be lost, and each may have failed.
  for (const run of ['publish-lost', 'publish-lost-piece', 'publish-failed', 'publish-failed-piece']) {
    const seed = put(seedKey(run), '{}');
    const success = marked(run);
    // For this seed it is finished: the sweep does not count it.
    put(finishedKey(run, hands.eTagOf(seed)), '{}');
    const open = { run, ids: ['id', 'table', '00000'] };
    if (run.endsWith('-piece')) {
      put(itemKey(piece, open), '{}');
      putPublication(hands, run, { successETag: hands.eTagOf(success) });
    }
    if (run === 'publish-failed') put(failureKey(publish, { run, ids: [] }), '{}');
    if (run === 'publish-failed-piece') put(failureKey(piece, open), '{}');
    await call('status', { run, fresh: true });
  }
  await call('sweep', { olderThan: 0 });
}

function putPublication({ put }: Hands, run: string, change: Partial<Publication>): void {
  const publication: Publication = {
    ...{ run, publication: 'id', successETag: 'x', state: 'publishing', at: '2026-11-20T00:00:00.000Z' },
    ...{ plan: [], tables: [] },
    ...change,
  };
  put(publicationKey(run), JSON.stringify(publication));
}
