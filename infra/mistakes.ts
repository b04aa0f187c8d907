/** What is wrong with a deployment as it is declared: shown to a person as lines, without a stack. */

export class DeploymentError extends Error {
  override readonly name = 'DeploymentError';
  /** One line each, saying what is allowed. */
  readonly problems: readonly string[];

  constructor(problems: readonly string[]) {
    super(problems.join('\n'));
    this.problems = problems;
  }
}
