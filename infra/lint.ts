/**
 * The framework's side of the rules. Invalid parameters and chains end every command, with what is wrong with them. When the
 * service is packaged, its compiled template is checked, and one that breaks a rule is not packaged. The API's address is asked for when it is deployed only: a package for the local engine, which brings its
 * own, has none.
 */
import { functionParameters } from '../shared/lambda/setting-table.ts';
import { secretProblems, urlProblems } from './api-rules.ts';
import { chainProblems, chainWarnings } from './chain-rules.ts';
import { environmentOf, type Template } from './compiled.ts';
import { nameProblems } from './name-rules.ts';
import { functionId } from './names.ts';
import { settingsProblems } from './settings-rules.ts';
import { loadChain } from './source.ts';

/** What the rules need of the framework. */
type Serverless = {
  service: {
    custom: { source: string; problems: readonly string[] };
    provider: { compiledCloudFormationTemplate: Template };
  };
  getProvider: (name: 'aws') => { getStage: () => string };
  classes: { Error: new (message: string, code: string) => Error };
};
type Tools = { log: { warning: (text: string) => void } };

export default class Lint {
  readonly hooks: Readonly<Record<string, () => Promise<void> | void>>;
  readonly #serverless: Serverless;
  readonly #log: Tools['log'];

  constructor(serverless: Serverless, _options: unknown, { log }: Tools) {
    this.#serverless = serverless;
    this.#log = log;
    this.hooks = {
      initialize: () => this.#refuse(this.#serverless.service.custom.problems),
      // The last moment before the template is written.
      'before:aws:package:finalize:saveServiceState': () => this.#lintTemplate(),
      'before:deploy:deploy': () => this.#requireUrl(),
    };
  }

  async #lintTemplate(): Promise<void> {
    const template = this.#template;
    const chain = await loadChain(this.#serverless.service.custom.source);
    const { warnings } = secretProblems(await this.#setting('apiTokenSecret'));
    for (const warning of [...warnings, ...chainWarnings(template)]) this.#log.warning(warning);
    this.#refuse([
      ...chainProblems(template, chain),
      ...settingsProblems(template, chain),
      ...nameProblems(template, this.#serverless.getProvider('aws').getStage()),
    ]);
  }

  async #requireUrl(): Promise<void> {
    this.#refuse(urlProblems(await this.#setting('apiUrl')));
  }

  get #template(): Template {
    return this.#serverless.service.provider.compiledCloudFormationTemplate;
  }

  /** As the functions are told it. */
  async #setting(name: 'apiUrl' | 'apiTokenSecret'): Promise<string> {
    const { levels } = await loadChain(this.#serverless.service.custom.source);
    const value = environmentOf(this.#template, functionId(levels[0]?.function ?? ''))[
      functionParameters[name].variable
    ];
    return typeof value === 'string' ? value : '';
  }

  #refuse(problems: readonly string[]): void {
    if (problems.length > 0) throw new this.#serverless.classes.Error(problems.join('\n'), 'INVALID_DEPLOYMENT');
  }
}
