/** Looks at one thing again and again while someone is watching it, and tells of it when it has changed. */

export type Seen<View> = { view: View; at: string; isNew: boolean };

export type WatchOptions<View> = {
  /** Never rejects: what goes wrong is a part of the view. */
  look: () => Promise<View>;
  /** What of a view is told when it changes; the rest changes at every look. Default: all of it. */
  essence?: (view: View) => unknown;
  /** Until the next look, in milliseconds; undefined: nothing will change by itself. */
  waitMs: (view: View, lookedMs: number) => number | undefined;
};

/** Of an action, not everything shows at once. */
const looksAfterAction = 3;
const afterActionMs = 1_500;

export class Watch<View> {
  readonly #options: WatchOptions<View>;
  readonly #listeners = new Set<(seen: Seen<View>) => void>();
  #last: Seen<View> | undefined;
  #lastText = '';
  #looking: Promise<void> | undefined;
  #timer: NodeJS.Timeout | undefined;
  #soon = 0;
  #isClosed = false;

  constructor(options: WatchOptions<View>) {
    this.#options = options;
  }

  /** @returns ends it */
  subscribe(listener: (seen: Seen<View>) => void): () => void {
    this.#listeners.add(listener);
    if (this.#last !== undefined) listener({ ...this.#last, isNew: true });
    if (this.#timer === undefined) void this.#lookNow();
    return () => {
      this.#listeners.delete(listener);
      if (this.#listeners.size === 0) this.#stopWaiting();
    };
  }

  /** Something was done that should show: looks now, and a few times more. */
  expectChange(): void {
    this.#soon = looksAfterAction;
    if (this.#listeners.size > 0) void this.#lookNow();
  }

  /** One look, for those who do not watch. */
  async once(): Promise<Seen<View>> {
    await this.#lookNow();
    if (this.#last === undefined) throw new Error('The page is closed.');
    return this.#last;
  }

  isWatched(): boolean {
    return this.#listeners.size > 0;
  }

  close(): void {
    this.#isClosed = true;
    this.#listeners.clear();
    this.#stopWaiting();
  }

  #stopWaiting(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
  }

  #lookNow(): Promise<void> {
    this.#stopWaiting();
    return (this.#looking ??= this.#look().finally(() => {
      this.#looking = undefined;
    }));
  }

  async #look(): Promise<void> {
    const startedMs = performance.now();
    const view = await this.#options.look();
    if (this.#isClosed) return;
    const { essence = (whole: View): unknown => whole } = this.#options;
    const text = JSON.stringify(essence(view));
    const seen = { view, at: new Date().toISOString(), isNew: text !== this.#lastText };
    this.#lastText = text;
    this.#last = seen;
    for (const listener of this.#listeners) listener(seen);
    const plannedMs = this.#options.waitMs(view, performance.now() - startedMs);
    const waitMs = this.#soon > 0 ? Math.min(afterActionMs, plannedMs ?? Infinity) : plannedMs;
    this.#soon = Math.max(0, this.#soon - 1);
    if (waitMs === undefined || this.#listeners.size === 0) return;
    this.#timer = setTimeout(() => void this.#lookNow(), waitMs);
    this.#timer.unref();
  }
}
