/**
 * StartMessageMoveTask, ListMessageMoveTasks and CancelMessageMoveTask. Tasks end with the process, and what was not moved
 * stays on the dead-letter queue.
 *
 * As on AWS, only the dead-letter queue of another queue can be moved from, and what was sent to it by anything but a
 * redrive policy can only be moved to a named destination.
 * https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/API_StartMessageMoveTask.html
 */
import { randomUUID } from 'node:crypto';
import { setImmediate as nextTurn, setTimeout as sleep } from 'node:timers/promises';
import { ignoreFailedFolder } from '../lifecycle.ts';
import { invalidValue, SqsError } from './errors.ts';
import { optionalText, optionalWhole, requiredText, type Input } from './input.ts';
import type { Queue, Queues } from './queues.ts';

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

/** Moved without a pause. */
const messagesATurn = 100;

/** A message that can not be moved ends its task. */
class NoDestination extends Error {
  override readonly name = 'NoDestination';
}

export class MoveTasks {
  readonly #queues: Queues;
  /** Latest first. */
  readonly #tasks: Task[] = [];
  readonly #moving = new Set<Promise<void>>();
  readonly #stopping = new AbortController();

  constructor(queues: Queues) {
    this.#queues = queues;
  }

  /** Resolves when no task runs. */
  async idle(): Promise<void> {
    while (this.#moving.size > 0) await Promise.all(this.#moving);
  }

  async stop(): Promise<void> {
    this.#stopping.abort();
    await this.idle();
  }

  /** @throws SqsError */
  start(input: Input): { TaskHandle: string } {
    const source = this.#queue(input, 'SourceArn');
    if (this.#queues.sourcesOf(source).length === 0) {
      throw invalidValue('Source queue must be configured as a Dead Letter Queue.');
    }
    const destinationArn =
      optionalText(input, 'DestinationArn') === undefined ? undefined : this.#queue(input, 'DestinationArn').arn;
    if (destinationArn === source.arn) {
      throw invalidValue('Source queue arn and destination queue arn cannot be the same.');
    }
    const perSecond = optionalWhole(input, 'MaxNumberOfMessagesPerSecond', 1, 500);
    if (this.#tasks.some((task) => task.source.arn === source.arn && task.status === 'RUNNING')) {
      const one = 'Only one active task is allowed for a source queue arn at a given time.';
      throw new SqsError('UnsupportedOperation', `There is already a task running. ${one}`);
    }
    const task: Task = {
      handle: Buffer.from(JSON.stringify({ taskId: randomUUID(), sourceArn: source.arn })).toString('base64'),
      source,
      destinationArn,
      perSecond,
      startedAtMs: Date.now(),
      // No more than was there: what fails again and comes back is not moved for ever.
      toMove: this.#queues.depth(source).visible,
      moved: 0,
      status: 'RUNNING',
    };
    this.#tasks.unshift(task);
    const moving = this.#move(task)
      .catch(ignoreFailedFolder)
      .finally(() => this.#moving.delete(moving));
    this.#moving.add(moving);
    return { TaskHandle: task.handle };
  }

  /** @throws SqsError */
  list(input: Input): { Results: Record<string, unknown>[] } {
    const source = this.#queue(input, 'SourceArn');
    const wanted = optionalWhole(input, 'MaxResults', 1, 10) ?? 1;
    const results = this.#tasks
      .filter((task) => task.source.arn === source.arn)
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
    return { Results: results };
  }

  /** @throws SqsError */
  cancel(input: Input): { ApproximateNumberOfMessagesMoved: number } {
    const task = this.#tasks.find(({ handle }) => handle === input['TaskHandle']);
    if (task === undefined) throw new SqsError('ResourceNotFoundException', 'Task does not exist.', 404);
    if (task.status !== 'RUNNING') throw new SqsError('UnsupportedOperation', 'Only active tasks can be cancelled.');
    task.status = 'CANCELLED';
    return { ApproximateNumberOfMessagesMoved: task.moved };
  }

  async #move(task: Task): Promise<void> {
    const { signal } = this.#stopping;
    try {
      while (task.status === 'RUNNING' && task.moved < task.toMove && !signal.aborted) {
        if (!this.#queues.moveFirst(task.source, (sourceArn) => this.#destination(task.destinationArn ?? sourceArn))) {
          break;
        }
        task.moved += 1;
        if (task.perSecond !== undefined) await sleep(1000 / task.perSecond, undefined, { signal });
        else if (task.moved % messagesATurn === 0) await nextTurn();
      }
    } catch (error) {
      if (error instanceof NoDestination) {
        task.status = 'FAILED';
        task.failureReason = error.message;
      } else if (!signal.aborted) {
        throw error;
      }
    }
    if (task.status === 'RUNNING') task.status = signal.aborted ? 'CANCELLED' : 'COMPLETED';
  }

  #destination(arn: string | undefined): Queue {
    if (arn === undefined) throw new NoDestination('CouldNotDetermineMessageSource');
    const queue = this.#queues.byArn(arn);
    if (queue === undefined) throw new NoDestination('AWS.SimpleQueueService.NonExistentQueue');
    return queue;
  }

  #queue(input: Input, parameter: 'SourceArn' | 'DestinationArn'): Queue {
    const queue = this.#queues.byArn(requiredText(input, parameter));
    if (queue !== undefined) return queue;
    const message = `The resource that you specified for the ${parameter} parameter doesn't exist.`;
    throw new SqsError('ResourceNotFoundException', message, 404);
  }
}
