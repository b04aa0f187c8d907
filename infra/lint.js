/**
 * The framework's side of the rules: when the service is packaged, its compiled template is held against them, and a template
 * that breaks one is not packaged. The API's address is asked for when it is deployed only: a package for the local engine,
 * which brings its own, has none.
 */
import { chain } from '../shared/engine/chain/chain.ts';
import { secretProblems, urlProblems } from './api-rules.ts';
import { chainProblems, chainWarnings, nameProblems } from './chain-rules.ts';

export default class Lint {
  constructor(serverless, options, { log }) {
    this.serverless = serverless;
    this.log = log;
    this.hooks = {
      // The last moment before the template is written.
      'before:aws:package:finalize:saveServiceState': () => this.lintTemplate(),
      'before:deploy:deploy': () => this.refuse(urlProblems(this.variables.HERMES_URL)),
    };
  }

  get variables() {
    return this.serverless.service.provider.environment;
  }

  lintTemplate() {
    const template = this.serverless.service.provider.compiledCloudFormationTemplate;
    const { problems, warnings } = secretProblems(this.variables.HERMES_TOKEN_SECRET);
    for (const warning of [...warnings, ...chainWarnings(template)]) this.log.warning(warning);
    const stage = this.serverless.getProvider('aws').getStage();
    this.refuse([...problems, ...chainProblems(template, chain), ...nameProblems(template, stage)]);
  }

  refuse(problems) {
    if (problems.length > 0) throw new this.serverless.classes.Error(problems.join('\n'), 'CHAIN_WOULD_NOT_WORK');
  }
}
