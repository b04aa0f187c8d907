/** What the AWS SDK throws, in the engine's words: may it pass, and where did it happen. */
import { ItemError, TransientError } from '../engine/errors.ts';
import { isRetryableStatus } from '../engine/rate/call-gate.ts';

/**
 * An error without an answer from the service is the network's. The SDK's error stays the cause, or stays as it is when
 * a retry does not help: then it names what the service refused.
 */
export function explained(where: string, error: unknown): Error {
  if (error instanceof TransientError || error instanceof ItemError) return error;
  if (!(error instanceof Error)) return new TransientError('NETWORK', `${String(error)} ${where}`, { cause: error });
  // An aborted request says nothing of why: the invocation's time was up (request-limits.ts).
  if (error.name === 'AbortError')
    return new TransientError(
      'OUT_OF_TIME',
      `The request was still unanswered when the invocation ran out of time ${where}`,
      { cause: error },
    );
  const status = (error as { $metadata?: { httpStatusCode?: number } }).$metadata?.httpStatusCode;
  if (status === undefined || isRetryableStatus(status) || status === 409) {
    return new TransientError(error.name === 'Error' ? 'NETWORK' : error.name, `${error.message} ${where}`, {
      cause: error,
    });
  }
  // The answer to a HEAD has no body, so that the SDK knows no more of a refusal than its status.
  const refused = error.name === 'UnknownError' || error.message === 'UnknownError' ? ` (HTTP ${status})` : '';
  error.message = `${error.message}${refused} ${where}`;
  return error;
}
