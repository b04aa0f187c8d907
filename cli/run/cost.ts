/** What a run would have cost on AWS: a pure function of what was counted. Prices: us-east-1, arm64, without free tiers. */

/** The requests of functions, by kind, as S3 prices them. */
export type S3Requests = { put: number; get: number; head: number; list: number; copy: number; delete: number };

export type Usage = {
  s3: S3Requests;
  /** All SQS calls: each counts as one request up to 64 KB. */
  sqsRequests: number;
  invocations: number;
  lambdaGbSeconds: number;
};

export type CostLine = { what: string; quantity: number; unit: string; usd: number };

/** https://aws.amazon.com/s3/pricing/ : S3 Standard, requests; DELETE is free. */
export const usdPerWrite = 5 / 1e6;
const usdPerRead = 0.4 / 1e6;
/** https://aws.amazon.com/sqs/pricing/ : standard queues */
const usdPerSqsRequest = 0.4 / 1e6;
/** https://aws.amazon.com/lambda/pricing/ : requests, and duration on arm64 */
export const usdPerInvocation = 0.2 / 1e6;
export const usdPerGbSecond = 0.0000133334;

/** The sum, line by line. */
export function costOf({ s3, sqsRequests, invocations, lambdaGbSeconds }: Usage): { lines: CostLine[]; usd: number } {
  const writes = s3.put + s3.copy + s3.list;
  const reads = s3.get + s3.head;
  const lines: CostLine[] = [
    { what: 'S3 PUT, COPY, LIST', quantity: writes, unit: 'requests', usd: writes * usdPerWrite },
    { what: 'S3 GET, HEAD', quantity: reads, unit: 'requests', usd: reads * usdPerRead },
    { what: 'SQS', quantity: sqsRequests, unit: 'requests', usd: sqsRequests * usdPerSqsRequest },
    { what: 'Lambda invocations', quantity: invocations, unit: 'requests', usd: invocations * usdPerInvocation },
    { what: 'Lambda time', quantity: lambdaGbSeconds, unit: 'GB-seconds', usd: lambdaGbSeconds * usdPerGbSecond },
  ];
  return { lines, usd: lines.reduce((sum, line) => sum + line.usd, 0) };
}

const kindOfOperation: Readonly<Record<string, keyof S3Requests>> = {
  PutObject: 'put',
  UploadPart: 'put',
  CreateMultipartUpload: 'put',
  CompleteMultipartUpload: 'put',
  CreateBucket: 'put',
  GetObject: 'get',
  HeadObject: 'head',
  HeadBucket: 'head',
  ListObjects: 'list',
  ListObjectsV2: 'list',
  ListParts: 'list',
  ListBuckets: 'list',
  ListMultipartUploads: 'list',
  CopyObject: 'copy',
  UploadPartCopy: 'copy',
  DeleteObject: 'delete',
  DeleteObjects: 'delete',
  DeleteBucket: 'delete',
  AbortMultipartUpload: 'delete',
};

/** S3's operations by what they are priced as. One that is not named is priced like GET ("and all other requests"). */
export function s3RequestsOf(operations: Readonly<Record<string, number>> = {}): S3Requests {
  const requests: S3Requests = { put: 0, get: 0, head: 0, list: 0, copy: 0, delete: 0 };
  for (const [operation, count] of Object.entries(operations)) requests[kindOfOperation[operation] ?? 'get'] += count;
  return requests;
}
