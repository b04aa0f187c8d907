/** Dead letters to measure with. */
import { accountId, region } from '../local-aws/account.ts';
import { makeS3Record } from '../shared/aws/s3-event.ts';

/** What Lambda sends for an event whose tries all failed. */
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
    requestPayload: { Records: [makeS3Record(bucket, key, Date.parse(timestamp))] },
    responseContext: { statusCode: 200, executedVersion: '$LATEST', functionError: 'Unhandled' },
    responsePayload: { errorType: 'TransientError', errorMessage: 'HTTP_500: The call was answered with 500.' },
  });
}
