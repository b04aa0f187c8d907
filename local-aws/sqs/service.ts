/**
 * The local SQS: standard queues in the engine's database, over AWS JSON 1.0 and in-process. A request of the query protocol
 * (AWS CLI before 1.29.73, 2.13.30) is refused clearly.
 */
import { randomUUID } from 'node:crypto';
import type { IncomingMessage, ServerResponse } from 'node:http';
import type { DatabaseSync } from 'node:sqlite';
import { text } from 'node:stream/consumers';
import { SqsError } from './errors.ts';
import { isObject, type Input } from './input.ts';
import type { MessageAttributes } from './message-attributes.ts';
import type { QueueDepth } from './message-store.ts';
import { MoveTasks } from './move-tasks.ts';
import { sqsOperations, type SqsOperations } from './operations.ts';
import { polledQueue, type PolledQueue } from './polled-queue.ts';
import { Queues } from './queues.ts';

export type { QueueDepth };

const queryProtocolRefusal = `<?xml version="1.0"?><ErrorResponse><Error><Type>Sender</Type><Code>InvalidAction</Code><Message>The local SQS speaks AWS JSON 1.0, not the query protocol; use an SDK or a CLI from 2023-11 or later.</Message></Error></ErrorResponse>`;

export class LocalSqs {
  readonly #queues: Queues;
  readonly #moveTasks: MoveTasks;
  readonly #operations: SqsOperations;
  readonly #stopping = new AbortController();

  /** @param options.endpoint the engine's address, which queue URLs begin with */
  constructor(db: DatabaseSync, options: { endpoint: string; accountId: string; region: string }) {
    this.#queues = new Queues(db, options);
    this.#moveTasks = new MoveTasks(this.#queues);
    this.#operations = sqsOperations(this.#queues, this.#moveTasks, `${options.endpoint}/${options.accountId}`);
  }

  /** Answers a request. @throws what is no error of SQS: a fault of ours */
  async serve(request: IncomingMessage, response: ServerResponse): Promise<void> {
    if (request.headers['content-type']?.includes('x-www-form-urlencoded') === true) {
      request.resume();
      response.writeHead(400, { 'content-type': 'text/xml' }).end(queryProtocolRefusal);
      return;
    }
    const headers = { 'content-type': 'application/x-amz-json-1.0', 'x-amzn-requestid': randomUUID() };
    try {
      const name = String(request.headers['x-amz-target']).replace('AmazonSQS.', '');
      const input = readInput(await text(request));
      const operation = Object.hasOwn(this.#operations, name) ? this.#operations[name] : undefined;
      if (operation === undefined) throw new SqsError('UnsupportedOperation', `The local SQS has no ${name}.`);
      const answer = await operation(input, () => this.#endOf(response));
      response.writeHead(200, headers).end(JSON.stringify(answer));
    } catch (error) {
      if (!(error instanceof SqsError)) throw error;
      response.writeHead(error.statusCode, { ...headers, 'x-amzn-query-error': `${error.queryCode};Sender` });
      response.end(JSON.stringify({ __type: `com.amazonaws.sqs#${error.code}`, message: error.message }));
    }
  }

  /** Aborted when the client is gone, or the service stops. */
  #endOf(response: ServerResponse): AbortSignal {
    const gone = new AbortController();
    response.once('close', () => gone.abort());
    if (response.destroyed) gone.abort();
    return AbortSignal.any([gone.signal, this.#stopping.signal]);
  }

  /** Creates the queue, or changes the one that is there to exactly these attributes; its messages stay. */
  defineQueue({ name, attributes }: { name: string; attributes: Readonly<Record<string, string>> }): void {
    this.#queues.define(name, attributes);
  }

  /**
   * Sends a message in-process. Inside an open transaction it exists only if that commits.
   * @returns its id
   * @throws SqsError when there is no such queue, or it does not take the message
   */
  sendMessage(queueArn: string, body: string, attributes: MessageAttributes = {}): string {
    const queue = this.#queues.byArn(queueArn);
    if (queue === undefined) throw new SqsError('QueueDoesNotExist', `There is no queue ${queueArn}.`);
    return this.#queues.send(queue, { body, attributes });
  }

  /** By the queue's name. */
  depths(): Record<string, QueueDepth> {
    return Object.fromEntries(this.#queues.all().map((queue) => [queue.name, this.#queues.depth(queue)]));
  }

  /** For who polls it without requests. */
  poll(queueArn: string): PolledQueue {
    return polledQueue(this.#queues, queueArn);
  }

  /** For tests: delays and visibility timeouts of the queue are over, so that no test waits for them. */
  endWaits(queueArn: string): void {
    const queue = this.#queues.byArn(queueArn);
    if (queue !== undefined) this.#queues.endWaits(queue);
  }

  /** Resolves when no StartMessageMoveTask is at work. */
  moved(): Promise<void> {
    return this.#moveTasks.idle();
  }

  /** Answers who waits for a message, and ends every move. */
  async stop(): Promise<void> {
    this.#stopping.abort();
    await this.#moveTasks.stop();
  }
}

function readInput(body: string): Input {
  try {
    const input: unknown = JSON.parse(body === '' ? '{}' : body);
    if (isObject(input)) return input;
  } catch {
    // Refused below, as what is no object is.
  }
  throw new SqsError('SerializationException', 'The request body is no JSON object.');
}
