/** The client credentials grant of OAuth 2.0 (RFC 6749, section 4.4): access tokens, kept until shortly before they expire. */
import { ItemError, TransientError } from '../engine/errors.ts';
import type { CallGate, Clock } from '../engine/ports.ts';
import type { Authenticator, SecretSource } from './authenticator.ts';
import type { OAuth2Auth } from './declaration.ts';
import { nameOfType } from './json-answer.ts';
import { createMask, type Mask } from './secret-mask.ts';
import { bearerCredentials, readClientSecret, type ClientSecret, type Credentials } from './secret-text.ts';

export type TokenRequest = {
  auth: OAuth2Auth;
  form: string;
  headers: Readonly<Record<string, string>>;
  mask: Mask;
};

/**
 * Makes one call for a token, within the gate.
 * @returns the answer's JSON; `refused` when the client's id or secret was, with a text that says so
 */
export type TokenClient = (request: TokenRequest, gate: CallGate) => Promise<{ value: unknown } | { refused: string }>;

/** Of a token's life this much is not used, but no more than the tenth part. */
const marginMs = 60_000;

type Token = { credentials: Credentials; freshUntilMs: number };

export function createOAuth2(
  auth: OAuth2Auth,
  { secret, onSecretRefused }: SecretSource & { secret: () => Promise<string> },
  askForToken: TokenClient,
  clock: Pick<Clock, 'now'>,
): Authenticator {
  let token: Token | undefined;
  let pending: Promise<Token> | undefined;

  const isFresh = (): boolean => token !== undefined && clock.now() < token.freshUntilMs;

  async function fetchToken(gate: CallGate): Promise<Token> {
    const text = await secret();
    const client = readClientSecret(text);
    const answer = await askForToken(tokenRequest(auth, client), gate);
    if ('refused' in answer) {
      onSecretRefused?.();
      if ((await secret()) !== text)
        throw new TransientError('TOKEN_REFUSED', `${answer.refused} The secret has been changed meanwhile.`);
      throw new ItemError('TOKEN_REFUSED', `${answer.refused} Check the client's id and secret in apiTokenSecret.`);
    }
    return tokenOf(answer.value, clock.now());
  }

  return {
    async prepare(gate) {
      while (!isFresh()) {
        if (pending === undefined) {
          pending = fetchToken(gate).finally(() => (pending = undefined));
          token = await pending;
          return;
        }
        // Another item asks already. Should it fail, that may be for its own want of time: then this one asks.
        const shared = await pending.catch(() => undefined);
        if (shared !== undefined) return;
      }
    },
    credentials: () =>
      token === undefined
        ? Promise.reject(new TransientError('NO_TOKEN', 'There is no access token for the call any more.'))
        : Promise.resolve(token.credentials),
    refused(used, isFresh, refusal) {
      // Another call may have brought a new one meanwhile. The old one stays for calls that are waiting in their gate: they
      // are refused too, and come for the new one then.
      if (token?.credentials === used) token = { credentials: used, freshUntilMs: -Infinity };
      if (!isFresh) return Promise.resolve('stale');
      return Promise.resolve(
        new ItemError('HTTP_401', `${refusal} The access token is new: check what its client is allowed to read.`),
      );
    },
  };
}

function tokenRequest(auth: OAuth2Auth, { id, secret }: ClientSecret): TokenRequest {
  const form = new URLSearchParams({ grant_type: 'client_credentials', ...auth.fields });
  if (auth.scope !== undefined) form.set('scope', auth.scope);
  // RFC 6749, section 2.3.1: for HTTP Basic, each is form-encoded first.
  const pair = [id, secret].map((text) => new URLSearchParams({ text }).toString().slice('text='.length)).join(':');
  const mask = createMask([secret, pair]);
  if (auth.credentials === 'basic') {
    const authorization = `Basic ${Buffer.from(pair).toString('base64')}`;
    return { auth, mask, form: form.toString(), headers: { authorization } };
  }
  form.set('client_id', id);
  form.set('client_secret', secret);
  return { auth, mask, form: form.toString(), headers: {} };
}

function tokenOf(value: unknown, nowMs: number): Token {
  const answer = typeof value === 'object' && value !== null ? (value as Record<string, unknown>) : {};
  const { access_token: accessToken, expires_in: lifetime, token_type: type } = answer;
  if (typeof accessToken !== 'string')
    throw new ItemError(
      'BAD_SHAPE',
      `The token's answer has the wrong shape: access_token is ${nameOfType(accessToken)}.`,
    );
  if (typeof type === 'string' && type.toLowerCase() !== 'bearer')
    throw new ItemError('BAD_SHAPE', `The token's answer has a token_type that is not Bearer.`);
  const seconds = typeof lifetime === 'string' ? Number(lifetime) : lifetime;
  const lifeMs = typeof seconds === 'number' && seconds > 0 ? seconds * 1000 : Infinity;
  return {
    credentials: bearerCredentials(accessToken, 'the access token'),
    freshUntilMs: nowMs + lifeMs - Math.min(marginMs, lifeMs / 10),
  };
}
