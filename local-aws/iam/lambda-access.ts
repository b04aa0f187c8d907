/**
 * Whether a function may do what it asks of Lambda's API: the action and the function of a request, and Lambda's
 * refusal.
 */
import { randomUUID } from 'node:crypto';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { bareFunctionName } from '../lambda/definition.ts';
import type { Identity } from './identity.ts';

/** Those that are not named by the method and the path alone (page list_awslambda of the service authorization reference). */
const actions: Readonly<Record<string, string>> = {
  'POST invocations': 'InvokeFunction',
  'GET ': 'GetFunction',
  'GET configuration': 'GetFunctionConfiguration',
};

/** @returns the action that was refused, the request being answered; undefined: it may */
export function refusedByLambda(
  identity: Identity,
  place: { accountId: string; region: string },
  request: IncomingMessage,
  response: ServerResponse,
): string | undefined {
  const path = (request.url ?? '').split('?', 1)[0] ?? '';
  const [, written = '', rest = ''] = /^\/2015-03-31\/functions\/([^/]+)\/?(.*?)\/?$/.exec(path) ?? [];
  const { method = '' } = request;
  // What the local Lambda does not have, it refuses by its own name: who may all is told so.
  const action = written === '' ? 'ListFunctions' : (actions[`${method} ${rest}`] ?? `${method} ${rest}`);
  const functionArn = `arn:aws:lambda:${place.region}:${place.accountId}:function:${bareFunctionName(decoded(written))}`;
  const refused = identity.refusal(`lambda:${action}`, written === '' ? '*' : functionArn);
  if (refused === undefined) return undefined;
  response.writeHead(403, {
    'content-type': 'application/json',
    'x-amzn-requestid': randomUUID(),
    'x-amzn-errortype': 'AccessDeniedException',
  });
  response.end(JSON.stringify({ Message: refused }));
  // The rest of its body: closing the connection on it could cost the client our answer.
  request.resume();
  return action;
}

function decoded(written: string): string {
  try {
    return decodeURIComponent(written);
  } catch {
    return written; // No function is called so.
  }
}
