/**
 * The two small services that clients ask besides S3, SQS and Lambda: Secrets Manager's `GetSecretValue`, out of a map that
 * the engine is given, and STS's `GetCallerIdentity`. Anything else is refused; no secret is ever written to disk.
 */
import { randomUUID } from 'node:crypto';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { text } from 'node:stream/consumers';
import type { Authorize } from '../iam/identity.ts';

/** A hyphen and six characters, as AWS adds them: policies write `-??????` for it. */
const arnSuffix = '-local1';

export type SecretPlace = { accountId: string; region: string };

/**
 * Answers a request of Secrets Manager (AWS JSON 1.1).
 * @param may what the caller may; absent: everything
 */
export async function serveSecrets(
  secrets: Readonly<Record<string, string>>,
  place: SecretPlace,
  request: IncomingMessage,
  response: ServerResponse,
  may?: Authorize,
): Promise<void> {
  const body = await text(request);
  const operation = String(request.headers['x-amz-target'] ?? '').replace(/^secretsmanager\./, '');
  const answer = (status: number, result: Record<string, unknown>): void => {
    response.writeHead(status, { 'content-type': 'application/x-amz-json-1.1', 'x-amzn-requestid': randomUUID() });
    response.end(JSON.stringify(result));
  };
  if (operation !== 'GetSecretValue') {
    answer(501, { __type: 'NotImplemented', message: `The local Secrets Manager has no ${operation || 'such call'}.` });
    return;
  }
  const secretId = secretIdIn(body);
  if (secretId === undefined) {
    answer(400, { __type: 'InvalidParameterException', message: 'SecretId is missing.' });
    return;
  }
  const name = Object.keys(secrets).find((candidate) => names(secretId, candidate));
  const prefix = `arn:aws:secretsmanager:${place.region}:${place.accountId}:secret:`;
  // Of a secret that is not there only what it was asked for by is known.
  const asked = secretId.startsWith('arn:') ? secretId : `${prefix}${secretId}`;
  const arn = name === undefined ? asked : `${prefix}${name}${arnSuffix}`;
  const refused = may?.('secretsmanager:GetSecretValue', arn);
  if (refused !== undefined) {
    answer(400, { __type: 'AccessDeniedException', Message: refused });
    return;
  }
  if (name === undefined) {
    answer(400, {
      __type: 'ResourceNotFoundException',
      message: "Secrets Manager can't find the specified secret.",
    });
    return;
  }
  answer(200, {
    ARN: arn,
    Name: name,
    SecretString: secrets[name],
    VersionId: '00000000-0000-0000-0000-000000000000',
    VersionStages: ['AWSCURRENT'],
    CreatedDate: 0,
  });
}

function secretIdIn(body: string): string | undefined {
  try {
    const parsed: unknown = JSON.parse(body);
    if (typeof parsed !== 'object' || parsed === null || !('SecretId' in parsed)) return undefined;
    return typeof parsed.SecretId === 'string' && parsed.SecretId !== '' ? parsed.SecretId : undefined;
  } catch {
    return undefined;
  }
}

/** A secret is asked for by its name, by its ARN, or by its ARN without the six characters that AWS adds. */
function names(secretId: string, name: string): boolean {
  if (secretId === name) return true;
  const [, fromArn] = /^arn:aws:secretsmanager:[^:]+:\d+:secret:(.+)$/.exec(secretId) ?? [];
  return fromArn === name || fromArn?.replace(/-[A-Za-z0-9]{6}$/, '') === name;
}

/** Answers a request of STS (query protocol). Every caller may ask who it is: no policy can forbid it. */
export async function serveSts(
  place: SecretPlace,
  caller: { arn: string; userId: string },
  request: IncomingMessage,
  response: ServerResponse,
): Promise<void> {
  const action = new URLSearchParams(await text(request)).get('Action') ?? '';
  const requestId = randomUUID();
  const isKnown = action === 'GetCallerIdentity';
  response.writeHead(isKnown ? 200 : 501, { 'content-type': 'text/xml' });
  response.end(
    isKnown
      ? `<GetCallerIdentityResponse xmlns="https://sts.amazonaws.com/doc/2011-06-15/"><GetCallerIdentityResult><Arn>${escapeXml(caller.arn)}</Arn><UserId>${escapeXml(caller.userId)}</UserId><Account>${place.accountId}</Account></GetCallerIdentityResult><ResponseMetadata><RequestId>${requestId}</RequestId></ResponseMetadata></GetCallerIdentityResponse>`
      : `<ErrorResponse><Error><Type>Sender</Type><Code>NotImplemented</Code><Message>The local STS has no ${escapeXml(action) || 'such call'}.</Message></Error><RequestId>${requestId}</RequestId></ErrorResponse>`,
  );
}

function escapeXml(value: string): string {
  return value.replace(/[<>&"']/g, (character) => `&#${character.charCodeAt(0)};`);
}
