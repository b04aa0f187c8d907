/**
 * The operations on buckets, and the deletion of many objects, which is addressed to a bucket. There is no
 * configuration by requests: notifications, policies and the rest come from the deployed template.
 */
import { xmlAnswer } from './call.ts';
import type { Answer, BucketCall, S3Request } from './call.ts';
import { deletionRefusal } from './authorization.ts';
import { S3Error } from './errors.ts';
import { receivePayload } from './payload.ts';
import { defaultRegion } from './store.ts';
import type { S3Store } from './store.ts';
import { document, element, leaf } from './xml.ts';
import { childrenOf, malformedXml, readXml, textOf } from './xml-reader.ts';

/** Everything here belongs to one account. */
const ownerId = '0'.repeat(64);
/** DeleteObjects: "a list of up to 1,000 keys". */
const maxDeletedAtOnce = 1_000;

export function owner(): string {
  return element('Owner', leaf('ID', ownerId), leaf('DisplayName', 'local'));
}

export function listBuckets(store: S3Store, request: S3Request): Answer {
  for (const name of ['max-buckets', 'continuation-token', 'bucket-region']) {
    if (request.query.has(name)) throw new S3Error('NotImplemented', `ListBuckets here has no ${name}`);
  }
  const prefix = request.query.get('prefix') ?? '';
  const buckets = store
    .listBuckets()
    .filter(({ name }) => name.startsWith(prefix))
    .map(({ name, createdMs }) =>
      element('Bucket', leaf('Name', name), leaf('CreationDate', new Date(createdMs).toISOString())),
    );
  return xmlAnswer(document('ListAllMyBucketsResult', owner(), element('Buckets', ...buckets)));
}

export function headBucket({ store, bucket }: BucketCall): Answer {
  return { status: 200, headers: { 'x-amz-bucket-region': store.bucket(bucket).region } };
}

export function createBucket({ store, request, bucket }: BucketCall): Answer {
  const { body } = receivePayload(request);
  const constraint =
    body.byteLength === 0 ? undefined : textOf(readXml(body, 'CreateBucketConfiguration'), 'LocationConstraint');
  const region = constraint ?? defaultRegion;
  // us-east-1 alone answers its owner's second creation with 200 (API reference, CreateBucket: BucketAlreadyOwnedByYou).
  const isAgain = constraint === undefined && store.hasBucket(bucket) && store.bucket(bucket).region === defaultRegion;
  if (!isAgain) store.createBucket(bucket, region);
  return { status: 200, headers: { location: `/${bucket}` } };
}

export function deleteBucket({ store, bucket }: BucketCall): Answer {
  store.deleteBucket(bucket);
  return { status: 204 };
}

export function getBucketLocation({ store, bucket }: BucketCall): Answer {
  const { region } = store.bucket(bucket);
  return xmlAnswer(document('LocationConstraint', region === defaultRegion ? undefined : region));
}

/** Never switched on: then the answer is an empty element. */
export function getBucketVersioning({ store, bucket }: BucketCall): Answer {
  store.bucket(bucket);
  return xmlAnswer(document('VersioningConfiguration'));
}

export function deleteObjects({ store, request, bucket, may }: BucketCall): Answer {
  const { body, checksum } = receivePayload(request);
  if (request.headers['content-md5'] === undefined && checksum === undefined) {
    throw new S3Error('InvalidRequest', 'Missing required header for this request: Content-MD5 OR x-amz-checksum-*');
  }
  const wanted = readXml(body, 'Delete');
  const entries = childrenOf(wanted, 'Object').map((object) => {
    const key = textOf(object, 'Key');
    if (key === undefined || key === '') throw malformedXml();
    for (const name of ['LastModifiedTime', 'Size']) {
      if (textOf(object, name) !== undefined)
        throw new S3Error('NotImplemented', `DeleteObjects here has no condition on ${name}`);
    }
    const versionId = textOf(object, 'VersionId');
    if (versionId !== undefined && versionId !== 'null') {
      throw new S3Error('NotImplemented', 'The local S3 keeps no versions', { VersionId: versionId });
    }
    return { key, ifMatch: textOf(object, 'ETag') };
  });
  if (entries.length === 0 || entries.length > maxDeletedAtOnce) throw malformedXml();
  const quiet = textOf(wanted, 'Quiet') === 'true';
  // Each key is allowed or refused by itself.
  const refused = entries.flatMap(({ key, ifMatch }) => {
    const error = may && deletionRefusal(may, { bucket, key }, ifMatch);
    return error === undefined ? [] : [{ key, error }];
  });
  const refusedKeys = new Set(refused.map(({ key }) => key));
  const allowed = entries.filter(({ key }) => !refusedKeys.has(key));
  const results = [...store.deleteMany(bucket, allowed), ...refused].map(({ key, error }) => {
    if (error === undefined) return quiet ? '' : element('Deleted', leaf('Key', key));
    return element('Error', leaf('Key', key), leaf('Code', error.code), leaf('Message', error.message));
  });
  return xmlAnswer(document('DeleteResult', ...results));
}
