/** What a run would cost on AWS, against sums done by hand. */
import { expect, test } from '@jest/globals';
import { costOf, s3RequestsOf } from '../../cli/run/cost.ts';

const none = { put: 0, get: 0, head: 0, list: 0, copy: 0, delete: 0 };

test('a million of each is what the price lists say', () => {
  const million = 1_000_000;
  const cost = costOf({
    s3: { put: million, get: million, head: 0, list: 0, copy: 0, delete: million },
    sqsRequests: million,
    invocations: million,
    lambdaGbSeconds: million,
  });
  expect(cost.lines.map(({ what, usd }) => [what, Number(usd.toFixed(4))])).toEqual([
    ['S3 PUT, COPY, LIST', 5],
    ['S3 GET, HEAD', 0.4],
    ['SQS', 0.4],
    ['Lambda invocations', 0.2],
    ['Lambda time', 13.3334],
  ]);
  expect(cost.usd).toBeCloseTo(19.3334, 4);
});

test('writes, copies and listings cost alike, and nothing costs nothing', () => {
  const idle = { sqsRequests: 0, invocations: 0, lambdaGbSeconds: 0 };
  expect(costOf({ s3: { ...none, put: 1, copy: 1, list: 1 }, ...idle }).usd).toBeCloseTo(15e-6, 12);
  expect(costOf({ s3: none, ...idle }).usd).toBe(0);
});

test('S3’s operations fall into the kinds that are priced; an unnamed one is priced as a read', () => {
  const operations = {
    PutObject: 4,
    UploadPart: 1,
    GetObject: 2,
    HeadObject: 3,
    ListObjectsV2: 5,
    CopyObject: 6,
    DeleteObjects: 7,
    GetBucketLocation: 1,
  };
  expect(s3RequestsOf(operations)).toEqual({ put: 5, get: 3, head: 3, list: 5, copy: 6, delete: 7 });
  expect(s3RequestsOf()).toEqual(none);
});
