/**
 * How the rate is divided: the share that an environment may have, given those that the others have by the table, and the calls that
 * it may save up. In whatever order they ask, all shares add up to 1 at most. Pure.
 */
import { leastShare, sharesOf, type ShareEntry } from './share-table.ts';

/**
 * A part of the rate that is left to environments that begin: so they make their first calls at once, while the others make
 * room for them.
 */
export const reserve = 1 / 64;

/** What an environment that begins takes of what is free, at most. */
const partOfFree = 1 / 4;

/** Between two invocations of an environment. */
const longestGapSeconds = 0.25;

/** An environment as far as its part goes. */
type Claim = Pick<ShareEntry, 'bucket' | 'level' | 'wants'>;

/**
 * Divides a whole: who wants little gets it, and the others get equal parts of what is left (max-min fairness).
 * @returns each one's part, in the order given; their sum is `whole` at most
 */
export function fairParts(wants: readonly number[], whole: number): number[] {
  const parts = wants.map(() => 0);
  const order = wants.map((_, index) => index).sort((a, b) => (wants[a] ?? 0) - (wants[b] ?? 0));
  let left = whole;
  for (const [position, index] of order.entries()) {
    const part = Math.min(wants[index] ?? 0, left / (order.length - position));
    parts[index] = part;
    left -= part;
  }
  return parts;
}

/**
 * Divides it among the levels first, and each level's part among its environments: a level with one environment that makes many calls
 * side by side gets no less than one that needs three of them.
 */
export function fairPartsByLevel(claims: readonly Claim[], whole: number): number[] {
  const levels = new Map<string, number[]>();
  for (const [index, { bucket, level }] of claims.entries()) {
    const key = `${bucket}/${level}`;
    levels.set(key, [...(levels.get(key) ?? []), index]);
  }
  const members = [...levels.values()];
  const wants = members.map((indexes) => indexes.map((index) => claims[index]?.wants ?? 0));
  const sums = wants.map((each) => each.reduce((sum, want) => sum + want, 0));
  const ofLevels = fairParts(sums, whole);
  const parts = claims.map(() => 0);
  for (const [at, indexes] of members.entries()) {
    const own = fairParts(wants[at] ?? [], ofLevels[at] ?? 0);
    for (const [position, index] of indexes.entries()) parts[index] = own[position] ?? 0;
  }
  return parts;
}

export type ShareWish = Claim & {
  /** What it has by the table; 0 when it is not in it. */
  held: number;
  /** It has given its share back, and is still in the table. */
  isBack?: boolean;
};

/**
 * The share that an environment may have, given the others': never more than is free; its fair part at most; and less than it
 * has if another has not got its own fair part. One that begins takes a part of what is free, so that others can begin too; one
 * that has given its share back takes all that is free.
 */
export function shareFor(wish: ShareWish, others: readonly ShareEntry[]): number {
  const { wants, held, isBack = false } = wish;
  const parts = fairPartsByLevel([...others, wish], 1 - reserve);
  const fair = parts.pop() ?? 0;
  const isAnotherShort = others.some(({ share }, index) => share < 0.95 * (parts[index] ?? 0));
  const free = Math.max(0, 1 - sharesOf(others));
  if (held === 0) return rounded(Math.min(fair, Math.max(free * partOfFree, isBack ? free - reserve : 0)));
  if (held >= fair) return rounded(Math.min(isAnotherShort || wants < held ? fair : held, free));
  return rounded(Math.max(Math.min(held, free), Math.min(fair, free - reserve)));
}

export type SavesWish = {
  share: number;
  /** The whole rate. */
  perSecond: number;
  /** Of the stage, that may run at once. */
  environments: number | undefined;
  /** It has a share by the table: its own call is counted. */
  isAtWork: boolean;
};

/**
 * An environment may save up a call, and so may all: C calls for C environments. Those that are not at work leave theirs to those
 * that are, by their shares; half of them, so that others can begin at once; and no more than what is earned between two
 * invocations, since they all may be made at once.
 * Each stage has its own calls to save up, so that all of them have as many as all their environments.
 * @param others of the stage
 * @returns how many more calls an environment may save up; undefined: it may not begin yet, since the others have to save less
 */
export function savesFor(
  { share, perSecond, environments, isAtWork }: SavesWish,
  others: readonly ShareEntry[],
): number | undefined {
  const spare = Math.max(0, (environments ?? 0) - others.length - 1);
  const free = spare - others.reduce((sum, { saves }) => sum + saves, 0);
  // Those that may not begin yet are counted too. They must not stop one that has begun.
  if (free < 0 && isAtWork) return 0;
  if (free < 0) return undefined;
  return Math.floor(1000 * Math.min(free, (spare / 2) * share, perSecond * share * longestGapSeconds)) / 1000;
}

/** Never up: the sum must not go beyond 1. */
function rounded(share: number): number {
  return share < leastShare ? 0 : Math.floor(share * 1e6) / 1e6;
}
