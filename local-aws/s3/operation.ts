/**
 * The name of the operation that a request asks for, also of those that are not served here, so that the refusal of one
 * can name it.
 */
import type { Address } from './address.ts';

export interface OperationRequest {
  method: string;
  query: URLSearchParams;
  headers: Readonly<Record<string, string>>;
}

const subresourceOperations: Record<string, string> = {
  'GET bucket location': 'GetBucketLocation',
  'GET bucket versioning': 'GetBucketVersioning',
  'GET bucket uploads': 'ListMultipartUploads',
  'GET bucket versions': 'ListObjectVersions',
  'POST bucket delete': 'DeleteObjects',
  'GET key uploadId': 'ListParts',
  'PUT key uploadId': 'UploadPart',
  'POST key uploadId': 'CompleteMultipartUpload',
  'DELETE key uploadId': 'AbortMultipartUpload',
  'POST key uploads': 'CreateMultipartUpload',
  'POST key restore': 'RestoreObject',
  'POST key select': 'SelectObjectContent',
  'GET key attributes': 'GetObjectAttributes',
  'PUT key renameObject': 'RenameObject',
};

/** The subresources of S3, and the noun that the SDKs give each. */
const nouns: Record<string, string> = {
  abac: 'Abac',
  accelerate: 'AccelerateConfiguration',
  acl: 'Acl',
  analytics: 'AnalyticsConfiguration',
  attributes: 'Attributes',
  cors: 'Cors',
  delete: 'Delete',
  encryption: 'Encryption',
  'intelligent-tiering': 'IntelligentTieringConfiguration',
  inventory: 'InventoryConfiguration',
  'legal-hold': 'LegalHold',
  lifecycle: 'LifecycleConfiguration',
  location: 'Location',
  logging: 'Logging',
  metadataConfiguration: 'MetadataConfiguration',
  metadataTable: 'MetadataTableConfiguration',
  metrics: 'MetricsConfiguration',
  notification: 'NotificationConfiguration',
  'object-lock': 'LockConfiguration',
  ownershipControls: 'OwnershipControls',
  policy: 'Policy',
  policyStatus: 'PolicyStatus',
  publicAccessBlock: 'PublicAccessBlock',
  renameObject: 'Rename',
  replication: 'Replication',
  requestPayment: 'RequestPayment',
  restore: 'Restore',
  retention: 'Retention',
  select: 'Select',
  session: 'Session',
  tagging: 'Tagging',
  torrent: 'Torrent',
  uploadId: 'Upload',
  uploads: 'Uploads',
  versioning: 'Versioning',
  versions: 'Versions',
  website: 'Website',
};

const plain: Record<string, string> = {
  'GET service': 'ListBuckets',
  'HEAD bucket': 'HeadBucket',
  'PUT bucket': 'CreateBucket',
  'DELETE bucket': 'DeleteBucket',
  'POST bucket': 'PostObject',
  'HEAD key': 'HeadObject',
  'GET key': 'GetObject',
  'PUT key': 'PutObject',
  'DELETE key': 'DeleteObject',
};

const verbs: Record<string, string> = { GET: 'Get', PUT: 'Put', DELETE: 'Delete', POST: 'Post', HEAD: 'Head' };

/** As the SDKs name it: `PutObject`, `ListObjectsV2`, `GetBucketAcl`; for what no SDK has, the method and what it was aimed at. */
export function operationOf(request: OperationRequest, { bucket, key }: Address): string {
  const { method, query, headers } = request;
  const target = bucket === undefined ? 'service' : key === undefined ? 'bucket' : 'key';
  const copies = method === 'PUT' && target === 'key' && headers['x-amz-copy-source'] !== undefined;
  if (target !== 'service') {
    for (const name of query.keys()) {
      const noun = nouns[name];
      if (noun === undefined) continue;
      const operation = subresourceOperations[`${method} ${target} ${name}`];
      if (operation === 'UploadPart' && copies) return 'UploadPartCopy';
      return operation ?? `${verbs[method] ?? method}${target === 'key' ? 'Object' : 'Bucket'}${noun}`;
    }
  }
  if (copies) return 'CopyObject';
  if (method === 'GET' && target === 'bucket') return query.get('list-type') === '2' ? 'ListObjectsV2' : 'ListObjects';
  return plain[`${method} ${target}`] ?? `${method} ${target}`;
}
