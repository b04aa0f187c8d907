/** Dead letters to measure with. */
import { accountId, region } from '../local-aws/index.ts';
import { buildS3Event } from '../shared/aws/event-codec.ts';
import { newEvent } from '../shared/engine/events.ts';

/** What Lambda sends for an event whose attempts all failed. */
export function destinationRecord(bucket: string, key: string): string {
  const timestamp = new Date().toISOString();
  return JSON.stringify({
    version: '1.0',
    timestamp,
    requestContext: {
      requestId: 'e4b46cbf-b738-xmpl-8880-a18cdf61200e',
      functionArn: `arn:aws:lambda:${region}:${accountId}:function:bench:$LATEST`,
      condition: 'RetriesExhausted',
      approximateInvokeCount: 3,
    },
    requestPayload: buildS3Event(newEvent(key, Date.parse(timestamp)), bucket),
    responseContext: { statusCode: 200, executedVersion: '$LATEST', functionError: 'Unhandled' },
    responsePayload: { errorType: 'TransientError', errorMessage: 'HTTP_500: The call was answered with 500.' },
  });
}
