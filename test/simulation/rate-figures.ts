/**
 * What an environment says of its own work in the table of the shares is what it has done: its calls a second, how many of them were
 * under way, what it wants by these; and it writes nothing that is hardly news.
 */

type Entry = {
  id: string;
  rate: number;
  share: number;
  saves: number;
  wants: number;
  perSecond: number;
  waited: number;
  inFlight: number;
  until: string;
};

/** What an environment did from one look at the table to the next one, in milliseconds since 1970. */
type Interval = { fromMs: number; toMs: number; calls: number; answeredMs: number };

/** After such a rest it begins anew. */
const restMs = 10_000;
/** A shorter time says nothing. */
const shortestMs = 500;
/** Of demand.ts and share-table.ts. */
const longestLeaseMs = 30_000;
const muchWaited = 0.9;
const headroom = 1.1;
const leastWish = 1 / 64;
/** Figures are told in ten thousandths. */
const slack = 2e-3;
const slackPart = 0.02;
const smallChange = 0.1;

export class RateFigures {
  readonly #intervals: Interval[] = [];
  #lookedMs = -Infinity;
  #calls = 0;
  #answeredMs = 0;

  called(): void {
    this.#calls += 1;
  }

  answered(ms: number): void {
    this.#answeredMs += ms;
  }

  /** It asks for the table, by its own clock. */
  looks(nowMs: number): void {
    if (nowMs - this.#lookedMs >= restMs) this.#intervals.length = 0;
    else {
      const [calls, answeredMs] = [this.#calls, this.#answeredMs];
      this.#intervals.push({ fromMs: this.#lookedMs, toMs: nowMs, calls, answeredMs });
    }
    this.#lookedMs = nowMs;
    this.#calls = 0;
    this.#answeredMs = 0;
  }

  /**
   * @param perSecond what holds for all; undefined: it changes
   * @returns what is wrong with what it writes
   */
  wrong(before: string | undefined, after: string, nowMs: number, perSecond: number | undefined): string | undefined {
    const old = new Map(entriesIn(before).map((entry) => [entry.id, entry]));
    const own = entriesIn(after).find((entry) => JSON.stringify(entry) !== JSON.stringify(old.get(entry.id)));
    // What is given back says of its maker what was said before.
    if (own === undefined || own.wants === 0) return undefined;
    const was = old.get(own.id);
    return (
      this.#wrongLease(own, nowMs) ??
      this.#wrongFigures(own) ??
      (perSecond === undefined ? undefined : wrongWish(own, perSecond)) ??
      (was === undefined || isNews(was, own, nowMs)
        ? undefined
        : `writes ${JSON.stringify(own)} over ${JSON.stringify(was)}`)
    );
  }

  #wrongLease({ until, share }: Entry, nowMs: number): string | undefined {
    const leaseMs = Date.parse(until) - nowMs;
    return share > 0 && leaseMs > longestLeaseMs + 1 ? `takes a share for ${leaseMs} ms` : undefined;
  }

  /** A mean of what was done in each interval is between the least and the most of them. */
  #wrongFigures({ perSecond, inFlight }: Entry): string | undefined {
    const [first] = this.#intervals;
    const last = this.#intervals.at(-1);
    if (first === undefined || last === undefined || last.toMs - first.fromMs < shortestMs) {
      const isNone = first === undefined && (perSecond > 0 || inFlight > 0);
      return isNone ? `says that it makes ${perSecond} calls a second, and has just begun` : undefined;
    }
    const told = { calls: perSecond, answeredMs: inFlight * 1000 };
    for (const what of ['calls', 'answeredMs'] as const) {
      const rates = this.#intervals
        .filter(({ fromMs, toMs }) => toMs > fromMs)
        .map((interval) => interval[what] / ((interval.toMs - interval.fromMs) / 1000));
      const [least, most] = [Math.min(...rates), Math.max(...rates)];
      const size = what === 'calls' ? 1 : 1000;
      if (told[what] > most * (1 + slack) + slack * size || told[what] < least * (1 - slack) - slack * size)
        return `says ${what} of ${told[what]} a second, and had ${least} to ${most}`;
    }
    return undefined;
  }
}

function wrongWish({ wants, perSecond: used, waited }: Entry, perSecond: number): string | undefined {
  if (used === 0 && waited === 0) return undefined;
  const could = (headroom * used) / (1 - waited) / perSecond;
  const is = waited > muchWaited ? 1 : Math.min(1, Math.max(leastWish, could));
  const isBlurred = Math.abs(waited - muchWaited) < slack;
  return isBlurred || Math.abs(wants - is) <= slackPart * is + slack
    ? undefined
    : `wants ${wants} of ${perSecond}, and makes ${used} a second, waiting for ${waited} of its time: ${is}`;
}

/** Its time is half over, or something is another than it was. */
function isNews(was: Entry, own: Entry, nowMs: number): boolean {
  const leaseMs = Date.parse(own.until) - nowMs;
  return (
    Date.parse(was.until) - nowMs < leaseMs / 2 + 1 ||
    Math.abs(own.rate - was.rate) > smallChange * was.rate ||
    Math.abs(own.share - was.share) > smallChange * was.share ||
    was.saves - own.saves > smallChange * was.saves + smallChange ||
    (own.share < own.wants && Math.abs(own.wants - was.wants) > 0.5 * was.wants)
  );
}

function entriesIn(table: string | undefined): Entry[] {
  try {
    const { environments = [] } = JSON.parse(table ?? '{}') as { environments?: Entry[] };
    // One without a name stands for what was in a table that a person has overwritten.
    return environments.filter(({ id }) => id !== '');
  } catch {
    return [];
  }
}
