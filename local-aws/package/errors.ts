/** What the reader of a packaged service can refuse. The message names the resource and the property. */

/** The template asks for something that CloudFormation, or this engine, does not take. */
export class TemplateError extends Error {
  override readonly name = 'TemplateError';
  readonly code: 'UNKNOWN_TYPE' | 'UNKNOWN_INTRINSIC' | 'BAD_TEMPLATE' | 'NOT_SUPPORTED' | 'NO_PERMISSION';
  /** Where in the template: `Resources.Bucket.Properties.BucketName`. */
  readonly where: string;

  constructor(code: TemplateError['code'], where: string, message: string) {
    super(`${where}: ${message}`);
    this.code = code;
    this.where = where;
  }
}

/** `serverless package` failed, or what it left can not be read. The message holds its whole output. */
export class PackageError extends Error {
  override readonly name = 'PackageError';
  readonly code: 'SLS_FAILED' | 'BAD_ARTIFACT' | 'NO_PACKAGE';

  constructor(code: PackageError['code'], message: string, options: { cause?: unknown } = {}) {
    super(message, { cause: options.cause });
    this.code = code;
  }
}
