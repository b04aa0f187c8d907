/** What the parts of the S3 contract are given, and how they name a refusal. */
import type { S3Client } from '@aws-sdk/client-s3';

export interface S3Contract {
  client: () => S3Client;
  bucket: () => string;
  /** The part that a test's keys begin with, so that tests don't see each other's. */
  newPrefix: () => string;
  promise: (title: string, body: () => Promise<void>, timeoutMs?: number) => void;
}

/** How a call was refused: the error's code and the HTTP status. A call that succeeds is `undefined`. */
export async function refusalOf(call: Promise<unknown>): Promise<{ code: string; status: number } | undefined> {
  try {
    await call;
    return undefined;
  } catch (error) {
    const { name, $metadata } = error as { name: string; $metadata?: { httpStatusCode?: number } };
    if ($metadata?.httpStatusCode === undefined) throw error;
    return { code: name, status: $metadata.httpStatusCode };
  }
}
