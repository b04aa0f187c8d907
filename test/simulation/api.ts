/**
 * The API in memory: it takes questions, lets time pass, and keeps a log of who asked. What it answers is in answers.ts, what is made
 * of its answers in source.ts.
 */
import type { Params } from '../../shared/engine/chain/params.ts';
import type { Answers, StagedAnswer } from './answers.ts';
import type { Core } from './core.ts';
import type { Faults } from './faults.ts';
import type { Life } from './life.ts';
import type { ApiNode, Node } from './model.ts';
import type { VirtualTime } from './virtual-time.ts';

/** What is asked: a node's list or result, with the run's parameters. */
export type Question = {
  node: ApiNode;
  run: string;
  params: Params;
  /** Of a list's page after the first. */
  cursor: string | undefined;
  /** The item's own text, where the source asks with it. */
  body: string | undefined;
};

/** One call in the API's log. */
export type Call = Question & { atMs: number; life: Life };

export type Answer = {
  status: number;
  /** Lower-case names. */
  headers: Readonly<Record<string, string>>;
  text: string;
};

export type ApiOptions = {
  core: Core;
  time: VirtualTime;
  faults: Faults;
  callTimeoutMs: number;
  answers: Answers;
  onCall: (call: Call) => void;
  /** Its answer takes more memory than the function has. */
  onCrash: (call: Call) => void;
  onAnswer: (call: Call, answer: Answer) => void;
  /** There is no whole answer: the connection was reset, or it took too long. */
  onNoAnswer: (call: Call) => void;
};

export class Api {
  calls = 0;
  readonly #options: ApiOptions;

  constructor(options: ApiOptions) {
    this.#options = options;
  }

  /** What is answered for some items until it is staged anew. */
  stage(answers: ReadonlyMap<Node, StagedAnswer>): void {
    this.#options.answers.stage(new Map([...answers].map(([node, answer]) => [node.api, answer])));
  }

  /** Whether lists come in the other order from now on. */
  turn(isTurned: boolean): void {
    this.#options.answers.isTurned = isTurned;
  }

  /** @throws TransientError `NETWORK`, `TIMEOUT`, `OUT_OF_TIME` when there is no whole answer */
  ask(question: Question, signal: AbortSignal, life: Life): Promise<Answer> {
    const { core, time, faults, callTimeoutMs, answers, onCall, onCrash, onAnswer, onNoAnswer } = this.#options;
    const { node, run, cursor } = question;
    life.mustNotHaveEnded('a call of the API');
    return new Promise((resolve, reject) => {
      if (life.isDead) return;
      this.calls += 1;
      const call: Call = { ...question, atMs: time.nowMs, life };
      onCall(call);
      const site = faults.site(`call ${run} ${JSON.stringify(node.ids)} ${cursor ?? ''}`);
      const slowMs = faults.strikes('api-slow', site) ? faults.between(site, 'slow', 1_000, 40_000) : 0;
      const latencyMs = faults.between(site, 'latency', 20, 300) + slowMs;
      const onAbort = (): void =>
        reject(new core.TransientError('OUT_OF_TIME', 'The call was under way when the invocation ran out of time.'));
      signal.addEventListener('abort', onAbort, { once: true });
      const arrive = (settle: () => void): void => {
        signal.removeEventListener('abort', onAbort);
        if (!life.isDead && !signal.aborted) settle();
      };
      if (latencyMs > callTimeoutMs) {
        const late = new core.TransientError('TIMEOUT', `The call was not answered within ${callTimeoutMs} ms.`);
        time.in(callTimeoutMs, () =>
          arrive(() => {
            onNoAnswer(call);
            reject(late);
          }),
        );
        return;
      }
      time.in(latencyMs, () =>
        arrive(() => {
          if (answers.isDeadly(node)) {
            onCrash(call);
            life.die('crashed');
            return;
          }
          const answer = answers.answer(question, site);
          if (answer === 'reset') {
            onNoAnswer(call);
            reject(new core.TransientError('NETWORK', 'The connection was reset.'));
            return;
          }
          onAnswer(call, answer);
          resolve(answer);
        }),
      );
    });
  }
}
