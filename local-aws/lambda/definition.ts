/**
 * What the local Lambda service has to know of one function. Names, queues and settings are resolved before a
 * definition is made.
 */

export type FunctionDefinition = {
  /** Its name in the template. */
  readonly logicalId: string;
  readonly name: string;
  /** Unqualified: `arn:aws:lambda:REGION:ACCOUNT:function:NAME`. */
  readonly arn: string;
  /** The folder that the artifact was unzipped to; AWS calls it the task root. */
  readonly codeDir: string;
  /** `path/to/file.export`, without the file's extension. */
  readonly handler: string;
  readonly environment: Readonly<Record<string, string>>;
  readonly memoryMb: number;
  readonly timeoutMs: number;
  /** undefined: none reserved. 0: the function is switched off. */
  readonly reservedConcurrency?: number;
  readonly async: AsyncSettings;
};

export type AsyncSettings = {
  /** 0 to 2. */
  readonly maximumRetryAttempts: number;
  /** In AWS's time, before it is divided by the time scale. */
  readonly maximumEventAgeMs: number;
  readonly onFailureQueueArn?: string;
  readonly deadLetterQueueArn?: string;
};

/** The only version there is here: nothing is ever published. */
export const latestVersion = '$LATEST';

/** The region that an ARN names: `arn:aws:lambda:REGION:...`. */
export function regionOf(arn: string): string {
  return arn.split(':')[3] ?? '';
}

/**
 * The bare name in whatever the Invoke API takes for a function: a name, `name:qualifier`, a partial ARN
 * (`account:function:name`) or an ARN, with or without a qualifier (page API_Invoke).
 */
export function bareFunctionName(reference: string): string {
  const parts = reference.split(':');
  // Not at the front: there it is a name.
  const at = parts.indexOf('function', 1);
  return (at === -1 ? undefined : parts[at + 1]) ?? parts[0] ?? '';
}
