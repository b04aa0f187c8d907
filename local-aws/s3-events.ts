/**
 * From an object to the events that S3 sends about it: which rules of the bucket match, and what the event says.
 * https://docs.aws.amazon.com/AmazonS3/latest/userguide/notification-content-structure.html
 */
import type { NotificationRule } from './package/model.ts';
import type { ObjectCreated } from './s3/store.ts';

/** The rules for an object: by event type, prefix and suffix of the key as it is, not encoded. */
export function matchingRules(rules: readonly NotificationRule[], created: ObjectCreated): NotificationRule[] {
  return rules.filter(
    ({ event, prefix, suffix }) =>
      (event === 's3:ObjectCreated:*' || event === `s3:${created.eventName}`) &&
      created.key.startsWith(prefix) &&
      created.key.endsWith(suffix),
  );
}

/** The event as S3 sends it: the whole body, one record. */
export function s3EventBody(created: ObjectCreated, rule: NotificationRule, region: string, accountId: string): string {
  const { bucket, key, sizeBytes, eTag, eventName, eventTimeMs, sequencer } = created;
  const principalId = `AWS:${accountId}`;
  return JSON.stringify({
    Records: [
      {
        eventVersion: '2.1',
        eventSource: 'aws:s3',
        awsRegion: region,
        eventTime: new Date(eventTimeMs).toISOString(),
        eventName,
        userIdentity: { principalId },
        requestParameters: { sourceIPAddress: '127.0.0.1' },
        responseElements: { 'x-amz-request-id': sequencer, 'x-amz-id-2': 'local' },
        s3: {
          s3SchemaVersion: '1.0',
          configurationId: rule.id,
          bucket: { name: bucket, ownerIdentity: { principalId }, arn: `arn:aws:s3:::${bucket}` },
          object: { key: encodeEventKey(key), size: sizeBytes, eTag, sequencer },
        },
      },
    ],
  });
}

/** S3 encodes keys in events as an HTML form does: a space is `+`, other bytes are percent-encoded; the slashes stay. */
export function encodeEventKey(key: string): string {
  return encodeURIComponent(key)
    .replace(/[!'()~]/g, (character) => `%${character.charCodeAt(0).toString(16).toUpperCase()}`)
    .replaceAll('%20', '+')
    .replaceAll('%2F', '/');
}
