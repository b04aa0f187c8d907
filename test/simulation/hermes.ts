/**
 * Hermes in memory: it answers questions about a tree, in pages, late or wrongly, and keeps a log of who asked. Beside it,
 * what the source client makes of its answers: the same errors, and the client's own reading of a page.
 */
import type { CallGate, Page } from '../../shared/engine/ports.ts';
import type { Core } from './core.ts';
import type { Faults, Site } from './faults.ts';
import type { Life } from './life.ts';
import type { ApiNode } from './model.ts';
import type { VirtualTime } from './virtual-time.ts';

/** One call in the API's log. */
export type Call = { atMs: number; node: ApiNode; run: string; life: Life };

type Answer = { status: number; text: string; retryAfter?: string; isCut?: boolean };

export type Outage = { fromMs: number; toMs: number };

export type HermesOptions = {
  root: ApiNode;
  core: Core;
  time: VirtualTime;
  faults: Faults;
  pageSize: number;
  callTimeoutMs: number;
  outages: readonly Outage[];
  onCall: (call: Call) => void;
  say: (line: string) => void;
};

export class Hermes {
  /** No outage any more, and what was poisoned answers as it should. */
  isMended = false;
  calls = 0;
  readonly #options: HermesOptions;

  constructor(options: HermesOptions) {
    this.#options = options;
  }

  /** The pages of a node's list, each asked for when it is wanted. */
  async *pages(node: ApiNode, run: string, gate: CallGate, life: Life): AsyncGenerator<Page> {
    const { core } = this.#options;
    for (let cursor: string | undefined; ;) {
      const text = await this.#ask(node, run, cursor, gate, life);
      const { children, next } = core.readPage(text, parse(text, core), `GET ${node.ids.join('/')}`);
      yield { children };
      if (next === undefined) return;
      cursor = next;
    }
  }

  async data(node: ApiNode, run: string, gate: CallGate, life: Life): Promise<string> {
    const { core } = this.#options;
    const text = await this.#ask(node, run, undefined, gate, life);
    core.mustBeObject(parse(text, core), `GET ${node.ids.join('/')}`);
    return text;
  }

  #ask(node: ApiNode, run: string, cursor: string | undefined, gate: CallGate, life: Life): Promise<string> {
    return gate((signal) => this.#call(node, run, cursor, signal, life));
  }

  #call(node: ApiNode, run: string, cursor: string | undefined, signal: AbortSignal, life: Life): Promise<string> {
    const { core, time, faults, callTimeoutMs, onCall } = this.#options;
    life.mustNotHaveEnded('a call of the API');
    return new Promise((resolve, reject) => {
      if (life.isDead) return;
      this.calls += 1;
      onCall({ atMs: time.nowMs, node, run, life });
      const site = faults.site(`call ${run} ${JSON.stringify(node.ids)} ${cursor ?? ''}`);
      const slowMs = faults.strikes('api-slow', site) ? faults.between(site, 'slow', 1_000, 40_000) : 0;
      const latencyMs = faults.between(site, 'latency', 20, 300) + slowMs;
      const onAbort = (): void =>
        reject(new core.TransientError('OUT_OF_TIME', 'The call was under way when the invocation ran out of time.'));
      signal.addEventListener('abort', onAbort, { once: true });
      const arrive = (settle: () => void): void => {
        signal.removeEventListener('abort', onAbort);
        if (!life.isDead) settle();
      };
      if (latencyMs > callTimeoutMs) {
        time.in(callTimeoutMs, () =>
          arrive(() =>
            reject(new core.TransientError('TIMEOUT', `The call was not answered within ${callTimeoutMs} ms.`)),
          ),
        );
        return;
      }
      time.in(latencyMs, () =>
        arrive(() => {
          const answer = this.#answer(node, cursor, site);
          const error =
            answer === 'reset'
              ? new core.TransientError('NETWORK', 'The connection was reset.')
              : this.#refusal(answer);
          if (error !== undefined) reject(error);
          else if (answer !== 'reset') resolve(answer.text);
        }),
      );
    });
  }

  /** What the source client throws for an answer; undefined for one that it reads. */
  #refusal({ status, text, retryAfter, isCut }: Answer): Error | undefined {
    const { core, time } = this.#options;
    if (isCut === true) return new core.TransientError('NETWORK', 'The answer broke off.');
    if (status === 200) return undefined;
    const message = `The call was answered with ${status}: ${text}`;
    if (!core.isRetryableStatus(status))
      return new core.ItemError(status < 400 ? 'REDIRECT' : `HTTP_${status}`, message);
    return new core.TransientError(`HTTP_${status}`, message, {
      retryAfterMs: core.parseRetryAfter(retryAfter, time.nowMs),
    });
  }

  #answer(node: ApiNode, cursor: string | undefined, site: Site): Answer | 'reset' {
    const { faults, outages, time } = this.#options;
    if (!this.isMended && outages.some(({ fromMs, toMs }) => time.nowMs >= fromMs && time.nowMs < toMs)) {
      return faults.between(site, 'outage', 0, 1) === 0 ? { status: 503, text: 'down' } : 'reset';
    }
    if (faults.strikes('api-429', site)) return { status: 429, text: 'slow down' };
    if (faults.strikes('api-429-retry-after', site)) {
      const seconds = faults.pick(site, 'after', [0, 1, 5, 30, 120, 900]);
      const isDate = faults.between(site, 'date', 0, 1) === 1;
      const retryAfter = isDate ? new Date(time.nowMs + seconds * 1000).toUTCString() : String(seconds);
      return { status: faults.pick(site, 'status', [429, 503]), text: 'later', retryAfter };
    }
    if (faults.strikes('api-5xx', site))
      return { status: faults.pick(site, 'status', [500, 502, 503, 504]), text: 'oops' };
    if (faults.strikes('api-reset', site)) return 'reset';
    if (faults.strikes('api-truncated', site)) return { status: 200, text: '{"items":[{"i', isCut: true };
    if (faults.strikes('api-malformed', site)) return { status: 200, text: '<html>Please log in</html>' };
    if (node.poison !== undefined && !this.isMended) return this.#poisoned(node, cursor, site);
    return { status: 200, text: this.#truth(node, cursor, site) };
  }

  #poisoned(node: ApiNode, cursor: string | undefined, site: Site): Answer {
    const isLeaf = node.depth === 3;
    const list = (items: string): Answer => ({ status: 200, text: `{"items":[${items}],"next":null}` });
    switch (node.poison) {
      case 'http-404':
        return { status: 404, text: 'gone' };
      case 'redirect':
        return { status: 302, text: 'elsewhere' };
      case 'not-json':
        return { status: 200, text: 'OK' };
      case 'wrong-shape':
        return { status: 200, text: isLeaf ? '[1]' : '{"items":[{"name":"no id"}]}' };
      case 'empty-id':
        if (!isLeaf) return list('{"id":""}');
        break;
      case 'half-surrogate':
        if (!isLeaf)
          return list(
            [...node.children.filter(({ sinceMs }) => sinceMs === 0).map(({ text }) => text), '{"id":"\\ud800"}'].join(
              ',',
            ),
          );
        break;
      case 'same-id-twice':
        if (!isLeaf && node.children[0] !== undefined) return list(`${node.children[0].text},${node.children[0].text}`);
        break;
      default:
        return { status: 500, text: 'always' };
    }
    return { status: 200, text: this.#truth(node, cursor, site) };
  }

  /** A cursor keeps the order and the moment of its list's first page. */
  #truth(node: ApiNode, cursor: string | undefined, site: Site): string {
    const { faults, time, pageSize } = this.#options;
    if (node.depth === 3) return node.data;
    const [offset = 0, asOfMs = time.nowMs, turn = faults.strikes('api-reorders', site) ? 1 : 0] =
      cursor?.split('.').map(Number) ?? [];
    const there = node.children.filter(({ sinceMs }) => sinceMs <= asOfMs);
    const ordered = turn === 1 ? there.toReversed() : there;
    const page = ordered.slice(offset, offset + pageSize);
    const end = offset + page.length;
    const next = end < ordered.length ? `"${end}.${asOfMs}.${turn}"` : 'null';
    return `{ "items": [ ${page.map(({ text }) => text).join(' , ')} ], "next": ${next} }`;
  }
}

/** As the source client does with a text that is none. */
function parse(text: string, core: Core): unknown {
  try {
    return JSON.parse(text);
  } catch (error) {
    throw new core.ItemError('NOT_JSON', `The answer is not JSON: ${text.slice(0, 40)}.`, { cause: error });
  }
}
