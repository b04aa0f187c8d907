/** What the API answers: the truth about its tree, in pages; or a refusal, an order to wait, half of an answer, or nonsense. */
import type { Answer, Question } from './api.ts';
import type { Faults, Site } from './faults.ts';
import { isAlways, type ApiNode } from './model.ts';
import type { VirtualTime } from './virtual-time.ts';

/** A time in which all calls end alike. */
export type Window = { fromMs: number; toMs: number };

export type AnswersOptions = {
  time: VirtualTime;
  faults: Faults;
  pageSize: number;
  /** The results are JSON; of other texts a reader can't tell whether they are right. */
  hasJsonResults: boolean;
  /** The API is down. */
  outages: readonly Window[];
  /** It orders every caller to wait, one for longer than another. */
  throttles: readonly Window[];
};

/**
 * What is answered for an item while something is tried with it; `wait`: twice an order to wait, and then as usual; of a list, what one
 * of its children is.
 */
export type StagedAnswer =
  'crash' | 'gone' | 'down' | 'wait' | 'empty-id' | 'half-surrogate' | 'same-id-twice' | 'long-id';

/** Longer than a key may be. */
const longId = 'x'.repeat(1_100);

const mostOrders = 2;
const orderSeconds = 200;

/** What page of its list a cursor leads to: the moment and the order of the first page are kept. */
type Cursor = { offset: number; asOfMs: number; isTurned: boolean };

/** Statuses of what may pass, and of what will not. */
const passing = [408, 425, 500, 502, 503, 504, 599];
const lasting = [400, 404, 404, 407, 409, 410, 424, 426, 428, 431, 499];

export class Answers {
  /** No outage any more, and what was poisoned answers as it should. */
  isMended = false;
  /** Its lists come in the other order. */
  isTurned = false;
  readonly #options: AnswersOptions;
  #loops = 0;
  #staged: ReadonlyMap<ApiNode, StagedAnswer> = new Map();
  readonly #orders = new Map<ApiNode, number>();

  constructor(options: AnswersOptions) {
    this.#options = options;
  }

  /** Whether what it answers is more than a function can hold. */
  isDeadly(node: ApiNode): boolean {
    return (node.poison === 'crashes' && !this.isMended) || this.#staged.get(node) === 'crash';
  }

  stage(staged: ReadonlyMap<ApiNode, StagedAnswer>): void {
    this.#staged = staged;
  }

  answer({ node, cursor }: Question, site: Site): Answer | 'reset' {
    const { faults, outages, throttles, time } = this.#options;
    const isNow = ({ fromMs, toMs }: Window): boolean => !this.isMended && time.nowMs >= fromMs && time.nowMs < toMs;
    const staged = this.#stagedAnswer(node);
    if (staged !== undefined) return staged;
    if (outages.some(isNow)) return faults.between(site, 'outage', 0, 1) === 0 ? refusal(503, 'down') : 'reset';
    const throttle = throttles.find(isNow);
    if (throttle !== undefined) {
      const leftSeconds = Math.ceil((throttle.toMs - time.nowMs) / 1000);
      return this.#order(site, faults.pick(site, 'for', [1, 20, 300, leftSeconds]));
    }
    if (faults.strikes('api-429', site)) return refusal(429, 'slow down');
    if (faults.strikes('api-orders-wait', site))
      return this.#order(site, faults.pick(site, 'after', [0, 1, 5, 30, 120, 900, 900, 10_800]));
    if (faults.strikes('api-5xx', site)) return refusal(faults.pick(site, 'status', passing), 'oops');
    if (faults.strikes('api-reset', site)) return 'reset';
    if (faults.strikes('api-not-yet', site)) return notYet(faults.pick(site, 'not yet', [undefined, '1', '60']));
    if (faults.strikes('api-malformed', site)) return this.#wrong(node, '<html>Please log in</html>');
    if (cursor !== undefined && faults.strikes('api-cursor-expires', site))
      return refusal(faults.pick(site, 'expiry', [400, 404, 410]), 'the cursor has expired');
    if (node.poison !== undefined && !this.isMended) return this.#poisoned(node, cursor, site);
    const text = this.#truth(node, cursor, site);
    if (!faults.strikes('api-truncated', site)) return success(text);
    // A text that is not JSON has its length before it: what comes of it is an error of the connection.
    return node.isLeaf && !this.#options.hasJsonResults
      ? 'reset'
      : success(text.slice(0, faults.between(site, 'cut', 1, text.length - 1)));
  }

  #stagedAnswer(node: ApiNode): Answer | undefined {
    const staged = this.#staged.get(node);
    if (staged === 'gone') return refusal(404, 'gone');
    if (staged === 'down') return refusal(500, 'down');
    if (staged !== undefined && staged !== 'wait' && staged !== 'crash') return this.#badList(node, staged);
    const orders = this.#orders.get(node) ?? 0;
    if (staged !== 'wait' || orders === mostOrders) return undefined;
    this.#orders.set(node, orders + 1);
    return refusal(429, 'later', { 'retry-after': String(orderSeconds) });
  }

  /** All on one page. */
  #badList({ children }: ApiNode, kind: StagedAnswer): Answer {
    const there = children.filter(({ sinceMs, untilMs }) => {
      const { nowMs } = this.#options.time;
      return sinceMs <= nowMs && nowMs < untilMs;
    });
    const ids = { 'empty-id': '', 'long-id': longId, 'same-id-twice': there[0]?.id ?? '' } as const;
    const id = kind === 'half-surrogate' ? '"\\ud800"' : JSON.stringify(ids[kind as keyof typeof ids]);
    const texts = [...there.map(({ text }) => text), `{"id":${id},"other":true}`];
    // Wherever it stands, the others are good.
    return success(`{"items":[${texts.toReversed().join(',')}],"next":null}`);
  }

  /** An order to wait, as APIs give them: in seconds, as a date, or as the end of a window in which no call is left. */
  #order(site: Site, seconds: number): Answer {
    const { faults, time } = this.#options;
    const status = faults.pick(site, 'status', [429, 503, 403]);
    const atMs = time.nowMs + seconds * 1000;
    const headers = faults.pick<Answer['headers']>(site, 'form', [
      { 'retry-after': String(seconds) },
      // A date has no parts of a second: it is rounded up, so that the order is not shorter than it was meant.
      { 'retry-after': new Date(Math.ceil(atMs / 1000) * 1000).toUTCString() },
      { 'x-ratelimit-remaining': '0', 'x-ratelimit-reset': String(Math.max(1, seconds)) },
    ]);
    // Without a wait, a 403 is a refusal for good.
    return seconds === 0 ? refusal(429, 'now', headers) : refusal(status, 'later', headers);
  }

  #poisoned(node: ApiNode, cursor: string | undefined, site: Site): Answer {
    const { isLeaf } = node;
    const [first] = node.children;
    const there = node.children.filter(isAlways).map(({ text }) => text);
    const list = (items: readonly string[], next = 'null'): Answer =>
      success(`{"items":[${items.join(',')}],"next":${next}}`);
    switch (node.poison) {
      case 'http-404':
        return refusal(this.#options.faults.pick(site, 'status', lasting), 'gone');
      case 'redirect':
        return refusal(302, 'elsewhere');
      case 'not-json':
        return this.#wrong(node, 'OK');
      case 'not-yet':
        return notYet(undefined);
      case 'always-wait':
        return refusal(429, 'later', {
          'retry-after': this.#options.faults.pick(site, 'after', ['60', '900', '10800']),
        });
      case 'wrong-shape':
        return isLeaf ? refusal(422, 'no') : success('{"items":[{"name":"no id"}]}');
      case 'empty-id':
        if (!isLeaf) return list(['{"id":""}']);
        break;
      case 'half-surrogate':
        if (!isLeaf) return list([...there, '{"id":"\\ud800"}']);
        break;
      case 'same-id-twice':
        if (!isLeaf && first !== undefined && isAlways(first))
          return list([...there, `{"id":${JSON.stringify(first.id)}}`]);
        break;
      case 'endless-list':
        this.#loops += 1;
        if (!isLeaf) return list(there.slice(0, 2), `"loop ${this.#loops}"`);
        break;
      default:
        return refusal(500, 'always');
    }
    return success(this.#truth(node, cursor, site));
  }

  #wrong({ isLeaf }: ApiNode, text: string): Answer {
    return isLeaf && !this.#options.hasJsonResults ? refusal(404, text) : success(text);
  }

  #truth(node: ApiNode, cursor: string | undefined, site: Site): string {
    const { faults, pageSize } = this.#options;
    if (node.isLeaf) return node.data;
    const { offset, asOfMs, isTurned } = this.#readCursor(cursor, site);
    const there = node.children.filter(({ sinceMs, untilMs }) => sinceMs <= asOfMs && asOfMs < untilMs);
    const ordered = isTurned !== this.isTurned ? there.toReversed() : there;
    // The list has grown before this page: its first child is the last one of the page before.
    const start = offset > 0 && faults.strikes('api-shifts', site) ? offset - 1 : offset;
    const page = ordered.slice(start, offset + pageSize);
    const end = offset + pageSize;
    const next = end < ordered.length ? `"${end}:${asOfMs}:${isTurned ? 1 : 0}"` : 'null';
    return `{ "items": [ ${page.map(({ text }) => text).join(' , ')} ], "next": ${next} }`;
  }

  #readCursor(cursor: string | undefined, site: Site): Cursor {
    const { faults, time } = this.#options;
    const [offset, asOfMs, turn] = cursor?.split(':').map(Number) ?? [];
    // A list that has no end leads to none of its own pages once it is mended.
    if (offset === undefined || asOfMs === undefined || Number.isNaN(offset))
      return { offset: 0, asOfMs: time.nowMs, isTurned: faults.strikes('api-reorders', site) };
    return { offset, asOfMs, isTurned: turn === 1 };
  }
}

function success(text: string): Answer {
  return { status: 200, headers: {}, text };
}

function refusal(status: number, text: string, headers: Answer['headers'] = {}): Answer {
  return { status, headers, text };
}

function notYet(retryAfter: string | undefined): Answer {
  return { status: 202, headers: retryAfter === undefined ? {} : { 'retry-after': retryAfter }, text: '{}' };
}
