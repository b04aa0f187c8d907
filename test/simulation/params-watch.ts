/** Whether every call of a run asks with the run's own parameters: what its seed gave, or the default, the same in all calls. */
import type { Params } from '../../shared/engine/chain/params.ts';
import type { ChainPlan } from './chain-plan.ts';

export class ParamsWatch {
  readonly #plan: ChainPlan;
  readonly #seen = new Map<string, Params>();
  readonly #given: Params;

  constructor(plan: ChainPlan, given: Params) {
    this.#plan = plan;
    this.#given = given;
  }

  /** @returns what is wrong with a call's parameters */
  call(run: string, params: Params): string | undefined {
    const names = Object.keys(this.#plan.params);
    const extra = Object.keys(params).find((name) => !names.includes(name));
    if (extra !== undefined) return `the call of ${run} has the parameter ${extra}, which the chain does not declare`;
    const first = this.#seen.get(run) ?? params;
    this.#seen.set(run, first);
    const wrong = names.find((name) => params[name] !== first[name] || !this.#isRight(name, params[name]));
    return wrong === undefined
      ? undefined
      : `the call of ${run} has ${wrong} ${String(params[wrong])}; the run's is ${String(this.#given[wrong] ?? first[wrong])}`;
  }

  #isRight(name: string, value: unknown): boolean {
    const given = this.#given[name];
    if (given !== undefined) return value === given;
    const usual = this.#plan.params[name]?.default;
    // A default such as `now-1d` is whatever time it was when the seed was first taken.
    return typeof usual === 'string' && usual.startsWith('now')
      ? !Number.isNaN(Date.parse(String(value)))
      : value === usual;
  }
}
