/** Whether a queue's own policy lets S3 send a bucket's events to it; what policies mean is `local/iam`'s. */
import { Policy } from '../iam/policy.ts';
import { asList, asText, type Properties } from './shape.ts';

export type QueuePolicy = {
  /** A policy names its queues by URL. */
  queueUrls: readonly string[];
  policy: Policy;
};

/** @throws TemplateError for a document that can not be evaluated here */
export function readQueuePolicy(properties: Properties, where: string): QueuePolicy {
  return {
    queueUrls: asList(properties['Queues'], `${where}.Queues`).map((url) => asText(url, `${where}.Queues`)),
    policy: Policy.read(properties['PolicyDocument'], 'resource', `${where}.PolicyDocument`),
  };
}

/** https://docs.aws.amazon.com/AmazonS3/latest/userguide/grant-destinations-permissions-to-s3.html */
export function letsS3Send(
  policies: readonly QueuePolicy[],
  request: { queue: { arn: string; url: string }; bucketArn: string; accountId: string },
): boolean {
  const { queue, bucketArn, accountId } = request;
  const ofQueue = policies.filter(({ queueUrls }) => queueUrls.includes(queue.url)).map(({ policy }) => policy);
  const decision = Policy.join(ofQueue).decide({
    action: 'sqs:SendMessage',
    resource: queue.arn,
    context: { 'aws:SourceArn': bucketArn, 'aws:SourceAccount': accountId, 'aws:SecureTransport': 'true' },
    principal: { service: 's3.amazonaws.com' },
  });
  return decision === 'allow';
}
