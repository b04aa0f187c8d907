/**
 * The errors that the Lambda API answers before any function runs, with their HTTP status. What a function throws is a
 * result, not an error of the service.
 */

export type LambdaErrorCode =
  | 'ResourceNotFoundException'
  | 'InvalidRequestContentException'
  | 'InvalidParameterValueException'
  | 'RequestTooLargeException'
  | 'TooManyRequestsException'
  | 'ServiceException'
  | 'NotImplementedException';

const statusOf: Readonly<Record<LambdaErrorCode, number>> = {
  ResourceNotFoundException: 404,
  InvalidRequestContentException: 400,
  InvalidParameterValueException: 400,
  RequestTooLargeException: 413,
  TooManyRequestsException: 429,
  ServiceException: 500,
  NotImplementedException: 501,
};

export class LambdaServiceError extends Error {
  override readonly name = 'LambdaServiceError';
  readonly code: LambdaErrorCode;
  readonly statusCode: number;
  readonly functionName: string | undefined;
  /** Only TooManyRequestsException says one. */
  readonly reason: string | undefined;

  constructor(
    code: LambdaErrorCode,
    message: string,
    context: { functionName?: string; reason?: string; cause?: unknown } = {},
  ) {
    super(message, { cause: context.cause });
    this.code = code;
    this.statusCode = statusOf[code];
    this.functionName = context.functionName;
    this.reason = context.reason;
  }
}
