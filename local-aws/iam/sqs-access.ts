/**
 * Whether a function may do what it asks of SQS: the action and the queue of a request in AWS JSON 1.0, and SQS's
 * refusal. A request that is allowed reaches SQS as it came.
 */
import { randomUUID } from 'node:crypto';
import { once } from 'node:events';
import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Identity } from './identity.ts';
import { queueArnOf } from './template-policies.ts';

/**
 * @returns whether it may; if not, it is answered
 */
export async function maySqs(
  identity: Identity,
  place: { accountId: string; region: string },
  request: IncomingMessage,
  response: ServerResponse,
): Promise<boolean> {
  const target = String(request.headers['x-amz-target'] ?? '').replace(/^AmazonSQS\./, '');
  // There are no rights for batches: each of their entries is the one action.
  const action = `sqs:${target.replace(/Batch$/, '')}`;
  const refused = identity.refusal(action, queueArn(await peek(request), place));
  if (refused === undefined) return true;
  response.writeHead(403, {
    'content-type': 'application/x-amz-json-1.0',
    'x-amzn-requestid': randomUUID(),
    // What the query protocol called it: clients that knew that one look here first.
    'x-amzn-query-error': 'AccessDenied;Sender',
  });
  // SQS itself writes the action in lower case.
  const message = refused.replaceAll(action, action.toLowerCase());
  response.end(JSON.stringify({ __type: 'com.amazon.coral.service#AccessDeniedException', message }));
  return false;
}

function queueArn(body: string, place: { accountId: string; region: string }): string {
  const asked = fieldsOf(body);
  const named = asked['QueueUrl'] ?? asked['QueueName'];
  if (typeof named === 'string') return queueArnOf(named, place);
  return typeof asked['SourceArn'] === 'string' ? asked['SourceArn'] : queueArnOf('*', place);
}

/** A body that is no object names no queue. */
function fieldsOf(body: string): Record<string, unknown> {
  try {
    const value: unknown = JSON.parse(body);
    return typeof value === 'object' && value !== null ? (value as Record<string, unknown>) : {};
  } catch {
    return {};
  }
}

/** Reads a request to its end and puts it back for the service. */
async function peek(request: IncomingMessage): Promise<string> {
  const chunks: Buffer[] = [];
  for (;;) {
    const chunk = request.read() as Buffer | null;
    if (chunk !== null) chunks.push(chunk);
    else if (request.complete) break;
    else await once(request, 'readable');
  }
  const body = Buffer.concat(chunks);
  if (body.length > 0) request.unshift(body);
  return body.toString();
}
