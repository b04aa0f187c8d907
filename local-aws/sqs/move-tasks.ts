/**
 * StartMessageMoveTask, ListMessageMoveTasks and CancelMessageMoveTask, which fauxqs does not have. Owns the tasks; they
 * end with the process, and what was not moved stays on the dead-letter queue.
 *
 * As on AWS, only the dead-letter queue of another queue can be moved from, and what was sent to it by anything but a
 * redrive policy can only be moved to a named destination.
 * https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/API_StartMessageMoveTask.html
 */
import { randomUUID } from 'node:crypto';
import { setImmediate as nextTurn, setTimeout as sleep } from 'node:timers/promises';
import { SqsError, SqsStore, type Message, type Queue } from './fauxqs.ts';

type Task = {
  readonly handle: string;
  readonly source: Queue;
  readonly destinationArn: string | undefined;
  readonly perSecond: number | undefined;
  readonly startedAtMs: number;
  readonly toMove: number;
  moved: number;
  status: 'RUNNING' | 'COMPLETED' | 'CANCELLED' | 'FAILED';
  failureReason?: string;
};

export const moveTaskOperations = new Set(['StartMessageMoveTask', 'ListMessageMoveTasks', 'CancelMessageMoveTask']);

/** Moved without a pause. */
const MESSAGES_A_TURN = 100;

export class MoveTasks {
  readonly #store: SqsStore;
  readonly #atomically: <T>(work: () => T) => T;
  /** Latest first. */
  readonly #tasks: Task[] = [];
  readonly #moving = new Set<Promise<void>>();
  readonly #stopping = new AbortController();

  constructor(store: SqsStore, atomically: <T>(work: () => T) => T) {
    this.#store = store;
    this.#atomically = atomically;
  }

  /**
   * @param operation one of `moveTaskOperations`
   * @returns the answer's body
   * @throws SqsError as SQS answers
   */
  answer(operation: string, input: Readonly<Record<string, unknown>>): Record<string, unknown> {
    switch (operation) {
      case 'StartMessageMoveTask':
        return { TaskHandle: this.#start(input) };
      case 'ListMessageMoveTasks':
        return { Results: this.#list(input) };
      case 'CancelMessageMoveTask':
        return { ApproximateNumberOfMessagesMoved: this.#cancel(input) };
      default:
        throw new SqsError('InvalidAction', `Unknown action: ${operation}`);
    }
  }

  /** Resolves when no task runs. */
  async idle(): Promise<void> {
    while (this.#moving.size > 0) await Promise.all(this.#moving);
  }

  async stop(): Promise<void> {
    this.#stopping.abort();
    await this.idle();
  }

  #start(input: Readonly<Record<string, unknown>>): string {
    const source = this.#queue(input, 'SourceArn');
    if (!isDeadLetterQueue(this.#store, source.arn)) {
      throw invalid('Source queue must be configured as a Dead Letter Queue.');
    }
    const destinationArn = input['DestinationArn'] === undefined ? undefined : this.#queue(input, 'DestinationArn').arn;
    if (destinationArn === source.arn) throw invalid('Source queue arn and destination queue arn cannot be the same.');
    const perSecond = optionalWhole(input, 'MaxNumberOfMessagesPerSecond', 500);
    if (this.#tasks.some((task) => task.source === source && task.status === 'RUNNING')) {
      const one = 'Only one active task is allowed for a source queue arn at a given time.';
      throw new SqsError('UnsupportedOperation', `There is already a task running. ${one}`);
    }
    source.processTimers();
    const task: Task = {
      handle: Buffer.from(JSON.stringify({ taskId: randomUUID(), sourceArn: source.arn })).toString('base64'),
      source,
      destinationArn,
      perSecond,
      startedAtMs: Date.now(),
      // No more than was there: what fails again and comes back is not moved for ever.
      toMove: source.messages.length,
      moved: 0,
      status: 'RUNNING',
    };
    this.#tasks.unshift(task);
    const moving = this.#move(task).finally(() => this.#moving.delete(moving));
    this.#moving.add(moving);
    return task.handle;
  }

  async #move(task: Task): Promise<void> {
    const { signal } = this.#stopping;
    while (task.status === 'RUNNING' && task.moved < task.toMove && !signal.aborted) {
      if (!this.#moveOne(task)) break;
      task.moved += 1;
      if (task.perSecond !== undefined) await pause(1000 / task.perSecond, signal);
      else if (task.moved % MESSAGES_A_TURN === 0) await nextTurn();
    }
    if (task.status === 'RUNNING') task.status = signal.aborted ? 'CANCELLED' : 'COMPLETED';
  }

  /** @returns false when there is none to move, or it can not be moved */
  #moveOne(task: Task): boolean {
    task.source.processTimers();
    const message: Message | undefined = task.source.messages[0];
    if (message === undefined) return false;
    const destinationArn = task.destinationArn ?? message.deadLetterSourceArn;
    const destination = destinationArn === undefined ? undefined : this.#store.getQueueByArn(destinationArn);
    if (destination === undefined) {
      task.status = 'FAILED';
      task.failureReason =
        destinationArn === undefined ? 'CouldNotDetermineMessageSource' : 'AWS.SimpleQueueService.NonExistentQueue';
      return false;
    }
    this.#atomically(() => {
      task.source.messages.shift();
      task.source.persistence?.deleteMessage(message.messageId);
      // "Redriven messages are considered new messages with a new messageID and enqueueTime": their receives begin again.
      destination.enqueue(SqsStore.createMessage(message.body, message.messageAttributes));
    });
    return true;
  }

  #list(input: Readonly<Record<string, unknown>>): Record<string, unknown>[] {
    const source = this.#queue(input, 'SourceArn');
    const wanted = optionalWhole(input, 'MaxResults', 10) ?? 1;
    return this.#tasks
      .filter((task) => task.source === source)
      .slice(0, wanted)
      .map((task) => ({
        ...(task.status === 'RUNNING' && { TaskHandle: task.handle }),
        Status: task.status,
        SourceArn: source.arn,
        ...(task.destinationArn !== undefined && { DestinationArn: task.destinationArn }),
        ...(task.perSecond !== undefined && { MaxNumberOfMessagesPerSecond: task.perSecond }),
        ApproximateNumberOfMessagesMoved: task.moved,
        ApproximateNumberOfMessagesToMove: task.toMove,
        ...(task.failureReason !== undefined && { FailureReason: task.failureReason }),
        StartedTimestamp: task.startedAtMs,
      }));
  }

  #cancel(input: Readonly<Record<string, unknown>>): number {
    const task = this.#tasks.find(({ handle }) => handle === input['TaskHandle']);
    if (task === undefined) throw new SqsError('ResourceNotFoundException', 'Task does not exist.', 404);
    if (task.status !== 'RUNNING') throw new SqsError('UnsupportedOperation', 'Only active tasks can be cancelled.');
    task.status = 'CANCELLED';
    return task.moved;
  }

  #queue(input: Readonly<Record<string, unknown>>, parameter: 'SourceArn' | 'DestinationArn'): Queue {
    const arn = input[parameter];
    if (typeof arn !== 'string') {
      throw new SqsError('MissingParameter', `The request must contain the parameter ${parameter}.`);
    }
    const queue = this.#store.getQueueByArn(arn);
    if (queue !== undefined) return queue;
    const message = `The resource that you specified for the ${parameter} parameter doesn't exist.`;
    throw new SqsError('ResourceNotFoundException', message, 404);
  }
}

function isDeadLetterQueue(store: SqsStore, arn: string): boolean {
  return [...store.allQueues()].some(({ attributes }) => {
    const policy = attributes['RedrivePolicy'];
    if (policy === undefined) return false;
    return (JSON.parse(policy) as { deadLetterTargetArn?: unknown }).deadLetterTargetArn === arn;
  });
}

function optionalWhole(input: Readonly<Record<string, unknown>>, name: string, most: number): number | undefined {
  const value = input[name];
  if (value === undefined) return undefined;
  if (typeof value === 'number' && Number.isInteger(value) && value >= 1 && value <= most) return value;
  throw invalid(`Value for parameter ${name} is invalid. Reason: Must be between 1 and ${most}, if provided.`);
}

function invalid(message: string): SqsError {
  return new SqsError('InvalidParameterValue', message);
}

async function pause(ms: number, signal: AbortSignal): Promise<void> {
  try {
    await sleep(ms, undefined, { signal });
  } catch (error) {
    if (!signal.aborted) throw error;
  }
}
