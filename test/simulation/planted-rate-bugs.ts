/** Bugs of the shares' protocol that rate-worlds.ts must find. See planted-bugs.ts. */
import type { PlantedBug } from './planted-bugs.ts';

const lease = 'shared/engine/rate/share-lease.ts';
const limit = 'shared/engine/rate/api-limit.ts';
const parts = 'shared/engine/rate/share-parts.ts';
const table = 'shared/engine/rate/share-table.ts';

export type PlantedRateBug = Omit<PlantedBug, 'breaks'> & {
  /** Where to begin, for what hundreds of seeds do not show. Default 1. */
  firstSeed?: number;
};

export const plantedRateBugs: readonly PlantedRateBug[] = [
  {
    bug: 'an environment that finds no place takes a share',
    file: lease,
    from: '    if (own === undefined && ofStage.length >= places) return true;\n',
    to: '',
  },
  {
    bug: 'an environment that takes a place has a call saved up',
    firstSeed: 1600,
    file: 'shared/engine/rate/turns.ts',
    from: '    if (isNewPlace) earnings.forfeit();\n',
    to: '',
  },
  {
    bug: 'a place that another may have had meanwhile counts as kept',
    file: lease,
    from: 'return write(entry, rest, read, wish.isBack);',
    to: 'return write(entry, rest, read, true);',
  },
  {
    bug: 'more is used before the table says so',
    file: lease,
    from: '    stray = { ifMatch: read.eTag };\n',
    to: '    stray = { ifMatch: read.eTag };\n    hold({ share, saves: entry.saves, untilMs: entry.untilMs });\n',
  },
  {
    bug: 'less is used only after the table says so',
    firstSeed: 1500,
    file: lease,
    from: '    if (share < held.share || entry.saves < held.saves)',
    to: '    if (share < 0)',
  },
  {
    bug: 'a write without an answer counts as done',
    file: lease,
    from: 'await store.replace(sharesKey, body, {}, read.eTag))',
    to: "await store.replace(sharesKey, body, {}, read.eTag).catch(() => 'replaced'))",
  },
  {
    bug: "the others' table is overwritten, whatever it says now",
    file: lease,
    from: "if ((await store.replace(sharesKey, body, {}, read.eTag)) === 'changed') return false;",
    to: 'await store.replace(sharesKey, body, {}, (await store.get(sharesKey, 500_000))?.eTag);',
  },
  {
    bug: 'a share is used beyond its end',
    file: lease,
    from: 'untilMs: Math.floor(entry.untilMs) }, keepsPlace);',
    to: 'untilMs: Infinity }, keepsPlace);',
  },
  {
    bug: 'a share is free for others before every clock says so',
    file: table,
    from: 'untilMs + clockMarginMs > nowMs',
    to: 'untilMs > nowMs + 1_500',
  },
  {
    bug: 'the reserve is given away twice',
    // Before, no share is ever given again.
    firstSeed: 3,
    file: parts,
    from: '  const free = Math.max(0, 1 - sharesOf(others));\n',
    to: '  const free = Math.max(0, 1 + 2 * reserve - sharesOf(others));\n',
  },
  {
    bug: 'an environment begins while the others have saved up its call',
    file: parts,
    from: 'if (free < 0) return undefined;',
    to: 'if (free < 0) return 0;',
  },
  {
    bug: 'what the other environments of a stage may save up is not counted',
    file: lease,
    from: 'const ofStage = entriesOf(rest, bucket);',
    to: 'const ofStage: ShareEntry[] = [];',
  },
  {
    bug: 'the shares of another stage do not count',
    file: lease,
    from: 'shareFor(wish, rest)',
    to: 'shareFor(wish, entriesOf(rest, bucket))',
  },
  {
    bug: 'the rate auto rises to whatever the API says',
    file: limit,
    from: 'Math.min(perSecond, autoMostPerSecond)',
    to: 'perSecond',
  },
];
