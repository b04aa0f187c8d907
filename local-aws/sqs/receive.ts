/** ReceiveMessage: what a receiver asks for, how long it waits, and what it is told. */
import { optionalWhole, texts, type Input } from './input.ts';
import { md5OfAttributes, selectAttributes } from './message-attributes.ts';
import { md5Of, type ReceivedMessage } from './message-store.ts';
import { messagesARequest } from './polled-queue.ts';
import { mostVisibilitySeconds } from './queue-attributes.ts';
import type { Queue, Queues } from './queues.ts';

/** All who send are the account. */
export const senderId = '000000000000';

/** Waits for a message as long as the request or the queue says; ends at once when the client is gone. */
export async function receive(queues: Queues, queue: Queue, input: Input, ending: () => AbortSignal): Promise<object> {
  const most = optionalWhole(input, 'MaxNumberOfMessages', 1, messagesARequest) ?? 1;
  const visibilitySeconds = optionalWhole(input, 'VisibilityTimeout', 0, mostVisibilitySeconds);
  const waitSeconds =
    optionalWhole(input, 'WaitTimeSeconds', 0, 20) ?? Number(queue.attributes['ReceiveMessageWaitTimeSeconds']);
  const wanted = {
    system: [...texts(input, 'AttributeNames'), ...texts(input, 'MessageSystemAttributeNames')],
    own: texts(input, 'MessageAttributeNames'),
  };
  const answer = (messages: readonly ReceivedMessage[]): object => ({
    Messages: messages.map((message) => messageAnswer(message, wanted)),
  });
  const untilMs = performance.now() + waitSeconds * 1000;
  const found = queues.receive(queue, most, visibilitySeconds);
  if (found.length > 0) return answer(found);
  if (waitSeconds === 0) return {};
  const signal = ending();
  for (let leftMs = waitSeconds * 1000; leftMs > 0; leftMs = untilMs - performance.now()) {
    await somethingVisible(queues, queue, leftMs, signal);
    // A client that is gone would lose what it is given.
    if (signal.aborted) break;
    const messages = queues.receive(queue, most, visibilitySeconds);
    if (messages.length > 0) return answer(messages);
  }
  return {};
}

/** Resolves when the queue changes, a message becomes visible, the time is over or the request is. */
function somethingVisible(queues: Queues, { name }: Queue, mostMs: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const end = (): void => {
      clearTimeout(timer);
      ignore();
      signal.removeEventListener('abort', end);
      resolve();
    };
    const ignore = queues.onChange(name, () => setImmediate(end));
    const timer = setTimeout(end, Math.max(1, Math.min(mostMs, queues.messages.nextVisibleInMs(name) ?? Infinity)));
    signal.addEventListener('abort', end);
    if (signal.aborted) end();
  });
}

function messageAnswer(
  message: ReceivedMessage,
  wanted: { system: readonly string[]; own: readonly string[] },
): object {
  const { messageId, receiptHandle, body, receives, sentAtMs, firstReceivedAtMs, deadLetterSourceArn, groupId } =
    message;
  const system: Record<string, string> = {
    SenderId: senderId,
    SentTimestamp: String(sentAtMs),
    ApproximateReceiveCount: String(receives),
    ApproximateFirstReceiveTimestamp: String(firstReceivedAtMs),
    ...(deadLetterSourceArn !== undefined && { DeadLetterQueueSourceArn: deadLetterSourceArn }),
    ...(groupId !== undefined && { MessageGroupId: groupId }),
  };
  const isWanted = ([name]: [string, string]): boolean => wanted.system.includes('All') || wanted.system.includes(name);
  const told = Object.entries(system).filter(isWanted);
  const own = selectAttributes(message.attributes, wanted.own);
  const md5 = md5OfAttributes(own);
  return {
    MessageId: messageId,
    ReceiptHandle: receiptHandle,
    Body: body,
    MD5OfBody: md5Of(body),
    ...(told.length > 0 && { Attributes: Object.fromEntries(told) }),
    ...(md5 !== undefined && { MessageAttributes: own, MD5OfMessageAttributes: md5 }),
  };
}
