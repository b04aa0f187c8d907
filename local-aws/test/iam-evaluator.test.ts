/** The evaluator of policies: what a document allows, denies and says nothing of, and what it refuses to read. */
import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import type { Context } from '../iam/conditions.ts';
import { Policy, type PolicyKind, type Principal } from '../iam/policy.ts';
import { wildcardMatcher } from '../iam/wildcards.ts';

const role: Principal = {
  roleArn: 'arn:aws:iam::000000000000:role/reader',
  sessionArn: 'arn:aws:sts::000000000000:assumed-role/reader/copy',
  accountId: '000000000000',
};
const object = 'arn:aws:s3:::bucket/in/a.json';
const everything = { Effect: 'Allow', Action: '*', Resource: '*' };

type Asked = { action?: string; resource?: string; context?: Context; principal?: Principal };

function decide(statements: object | object[], asked: Asked = {}, kind: PolicyKind = 'identity') {
  const policy = Policy.read({ Version: '2012-10-17', Statement: statements }, kind, 'Policy');
  const { action = 's3:GetObject', resource = object, context = {}, principal = role } = asked;
  return policy.decide({ action, resource, context, principal });
}

describe('wildcards', () => {
  /** The same by other means: a regular expression, piece by piece. */
  const byExpression = (pattern: string): RegExp => {
    const pieces = Array.from(pattern, (piece) =>
      piece === '*' ? '[^]*' : piece === '?' ? '[^]' : piece.replace(/[\\^$.|+()[\]{}/-]/u, '\\$&'),
    );
    return new RegExp(`^${pieces.join('')}$`, 'u');
  };
  const text = fc.string({ unit: fc.constantFrom('a', 'b', '/', ':', '.', '\n', '🏹', '*', '?'), maxLength: 12 });

  test('match what the same regular expression matches', () => {
    fc.assert(
      fc.property(text, text, (pattern, found) => {
        expect(wildcardMatcher(pattern)(found)).toBe(byExpression(pattern).test(found));
      }),
      { numRuns: 5000 },
    );
  });

  test('a text matches itself with any of its parts put as * and any character as ?', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'grapheme-ascii' }), fc.nat(), fc.nat(), (found, from, length) => {
        const start = from % (found.length + 1);
        const rest = found.slice(start + (length % 8));
        expect(wildcardMatcher(`${found.slice(0, start)}*${rest}`)(found)).toBe(true);
        expect(wildcardMatcher(found.replaceAll(/[^]/g, '?'))(found)).toBe(true);
        expect(wildcardMatcher('?'.repeat(found.length + 1))(found)).toBe(false);
      }),
    );
  });

  test('that could be taken in a million ways are decided at once', () => {
    expect(wildcardMatcher('*a'.repeat(40) + 'b')('a'.repeat(5000))).toBe(false);
  });
});

describe('a policy', () => {
  test('allows the action on the resource that it names, and nothing else', () => {
    const statement = { Effect: 'Allow', Action: 's3:GetObject', Resource: 'arn:aws:s3:::bucket/in/*' };
    expect(decide(statement)).toBe('allow');
    expect(decide(statement, { action: 's3:PutObject' })).toBeUndefined();
    expect(decide(statement, { resource: 'arn:aws:s3:::bucket/out/a.json' })).toBeUndefined();
    expect(decide(statement, { resource: 'arn:aws:s3:::bucket/in' })).toBeUndefined();
  });

  test('takes actions in any case, and resources as they are written', () => {
    expect(decide({ Effect: 'Allow', Action: 'S3:gETobject', Resource: '*' })).toBe('allow');
    expect(decide({ Effect: 'Allow', Action: 's3:Get*', Resource: 'arn:aws:s3:::BUCKET/*' })).toBeUndefined();
  });

  test('that denies wins over any that allows, wherever it stands', () => {
    const deny = { Effect: 'Deny', Action: 's3:*', Resource: object };
    expect(decide([everything, deny])).toBe('deny');
    expect(decide([deny, everything])).toBe('deny');
    expect(decide([deny, everything], { action: 'sqs:SendMessage' })).toBe('allow');
  });

  test('with NotAction or NotResource is about all others', () => {
    expect(decide({ Effect: 'Allow', NotAction: ['s3:Get*', 's3:List*'], Resource: '*' })).toBeUndefined();
    expect(decide({ Effect: 'Allow', NotAction: 's3:Put*', Resource: '*' })).toBe('allow');
    expect(decide({ Effect: 'Allow', Action: '*', NotResource: [object] })).toBeUndefined();
    expect(decide({ Effect: 'Allow', Action: '*', NotResource: ['arn:aws:s3:::other/*'] })).toBe('allow');
  });

  test('on a resource is about the principals that it names', () => {
    const allowing = (principal: unknown, effect = 'Allow') =>
      decide({ ...everything, Effect: effect, Principal: principal }, {}, 'resource');
    expect(allowing('*')).toBe('allow');
    expect(allowing({ AWS: '*' })).toBe('allow');
    expect(allowing({ AWS: ['arn:aws:iam::000000000000:role/reader'] })).toBe('allow');
    expect(allowing({ AWS: 'arn:aws:iam::000000000000:role/other' })).toBeUndefined();
    expect(allowing({ Service: 's3.amazonaws.com' })).toBeUndefined();
    // The account: all in it are denied, but none is allowed without a policy of its own.
    expect(allowing({ AWS: 'arn:aws:iam::000000000000:root' })).toBeUndefined();
    expect(allowing({ AWS: '000000000000' }, 'Deny')).toBe('deny');
    const service = { service: 's3.amazonaws.com' };
    const statement = { ...everything, Principal: { Service: 's3.amazonaws.com' } };
    expect(decide(statement, { principal: service }, 'resource')).toBe('allow');
    expect(decide(statement, { principal: { service: 'sns.amazonaws.com' } }, 'resource')).toBeUndefined();
  });
});

describe('a condition', () => {
  const under = (condition: object, context: Context = {}) =>
    decide({ ...everything, Condition: condition }, { context });
  const arn = 'arn:aws:s3:::bucket';

  test.each([
    ['Bool', { 'aws:SecureTransport': false }, { 'aws:SecureTransport': 'false' }, { 'aws:SecureTransport': 'true' }],
    ['StringEquals', { 's3:prefix': ['a/', 'b/'] }, { 's3:prefix': 'b/' }, { 's3:prefix': 'B/' }],
    ['StringEqualsIgnoreCase', { 's3:prefix': 'a/' }, { 's3:prefix': 'A/' }, { 's3:prefix': 'b/' }],
    ['StringLike', { 's3:prefix': 'a/?.*' }, { 's3:prefix': 'a/b.json' }, { 's3:prefix': 'a/.json' }],
    ['StringNotEquals', { 's3:prefix': ['a/', 'b/'] }, { 's3:prefix': 'c/' }, { 's3:prefix': 'b/' }],
    ['StringNotLike', { 's3:prefix': 'a/*' }, { 's3:prefix': 'b/a/' }, { 's3:prefix': 'a/b' }],
    [
      'ArnLike',
      { 'aws:SourceArn': 'arn:aws:s3:::buck*' },
      { 'aws:SourceArn': arn },
      { 'aws:SourceArn': 'arn:aws:sqs:::bucket' },
    ],
    [
      'ArnEquals',
      { 'aws:SourceArn': 'arn:*:s3:::bucket' },
      { 'aws:SourceArn': arn },
      { 'aws:SourceArn': 'arn:a:b:s3:::bucket' },
    ],
    [
      'ArnNotLike',
      { 'aws:SourceArn': 'arn:aws:s3:::b*' },
      { 'aws:SourceArn': 'arn:aws:s3:::other' },
      { 'aws:SourceArn': arn },
    ],
    ['Null', { 's3:prefix': true }, {}, { 's3:prefix': '' }],
    ['Null', { 's3:prefix': 'false' }, { 's3:prefix': '' }, {}],
    ['StringEqualsIfExists', { 's3:prefix': 'a/' }, {}, { 's3:prefix': 'b/' }],
  ] satisfies [string, object, Context, Context][])('%s %j holds for %j and not for %j', (operator, keys, yes, no) => {
    expect(under({ [operator]: keys }, yes)).toBe('allow');
    expect(under({ [operator]: keys }, no)).toBeUndefined();
  });

  test('on a key that the request does not have does not hold, unless it is a negative one', () => {
    expect(under({ StringEquals: { 's3:prefix': 'a/' } })).toBeUndefined();
    expect(under({ StringNotEquals: { 's3:prefix': 'a/' } })).toBe('allow');
  });

  test('holds when all of its operators and keys do; keys are the same in any case', () => {
    const condition = {
      StringEquals: { 'aws:SourceAccount': '000000000000', 'S3:Prefix': 'a/' },
      Bool: { 'aws:securetransport': 'true' },
    };
    const context = { 'aws:SourceAccount': '000000000000', 's3:prefix': 'a/', 'aws:SecureTransport': 'true' };
    expect(under(condition, context)).toBe('allow');
    for (const key of Object.keys(context)) expect(under(condition, { ...context, [key]: 'other' })).toBeUndefined();
  });
});

describe('a document is refused, with the place', () => {
  const allow = { Effect: 'Allow', Action: 's3:GetObject', Resource: '*' };
  test.each<[string, object, string, PolicyKind]>([
    [
      'with a condition operator that is not known',
      { ...allow, Condition: { IpAddress: { 'aws:SourceArn': 'x' } } },
      'operator IpAddress',
      'identity',
    ],
    [
      'with a set operator',
      { ...allow, Condition: { 'ForAnyValue:StringLike': { 's3:prefix': 'x' } } },
      'operator ForAnyValue:StringLike',
      'identity',
    ],
    [
      'with a condition key that is not known',
      { ...allow, Condition: { Bool: { 'aws:MultiFactorAuthPresent': true } } },
      'key aws:MultiFactorAuthPresent',
      'identity',
    ],
    [
      'with a policy variable',
      { ...allow, Resource: 'arn:aws:s3:::b/${aws:username}/*' },
      'no policy variables',
      'identity',
    ],
    ['with a resource that is no ARN', { ...allow, Resource: 'bucket/*' }, 'neither * nor an ARN', 'identity'],
    ['with an action that is none', { ...allow, Action: 'GetObject' }, 'no service:Action', 'identity'],
    ['with both Action and NotAction', { ...allow, NotAction: 's3:*' }, 'either Action or NotAction', 'identity'],
    [
      'with neither Resource nor NotResource',
      { Effect: 'Allow', Action: '*' },
      'either Resource or NotResource',
      'identity',
    ],
    ['with an empty list', { ...allow, Resource: [] }, 'is empty', 'identity'],
    ['with another effect', { ...allow, Effect: 'Perhaps' }, 'not Perhaps', 'identity'],
    ['with a principal, on a role', { ...allow, Principal: '*' }, 'knows no Principal', 'identity'],
    ['without a principal, on a bucket', allow, 'is missing', 'resource'],
    ['with NotPrincipal', { ...allow, NotPrincipal: '*' }, 'knows no NotPrincipal', 'resource'],
    ['with a federated principal', { ...allow, Principal: { Federated: 'x' } }, 'no Federated principals', 'resource'],
  ])('%s', (_, statement, message, kind) => {
    expect(() => decide(statement, {}, kind)).toThrow(message);
    expect(() => decide(statement, {}, kind)).toThrow(/^Policy\.Statement\[0\]/);
  });
});
