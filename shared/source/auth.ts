/** Proves to the API who asks: with the deployment's secret, or with access tokens that the secret gives. */
import { ItemError, TransientError } from '../engine/errors.ts';
import type { Clock } from '../engine/ports.ts';
import type { Auth, OAuth2Auth } from './declaration.ts';
import type { Authenticator, SecretSource } from './authenticator.ts';
import { createOAuth2, type TokenClient } from './oauth2.ts';
import { credentialsFor, noCredentials, type Credentials } from './secret-text.ts';

export function createAuthenticator(
  auth: Auth,
  source: SecretSource,
  tokens: TokenClient,
  clock: Pick<Clock, 'now'>,
): Authenticator {
  const { secret } = source;
  if (auth.type === 'none' || secret === undefined) return withoutSecret(auth);
  const read = { ...source, secret };
  return auth.type === 'oauth2ClientCredentials' ? createOAuth2(auth, read, tokens, clock) : withSecret(auth, read);
}

function withoutSecret({ type }: Auth): Authenticator {
  const advice =
    type === 'none'
      ? 'The source declares no auth: declare api.auth if the API wants a secret.'
      : 'The deployment has no apiTokenSecret: set it if the API wants a secret.';
  return {
    prepare: () => Promise.resolve(),
    credentials: () => Promise.resolve(noCredentials),
    refused: (_, __, refusal) => Promise.resolve(new ItemError('HTTP_401', `${refusal} ${advice}`)),
  };
}

function withSecret(
  auth: Exclude<Auth, OAuth2Auth>,
  { secret, onSecretRefused }: SecretSource & { secret: () => Promise<string> },
): Authenticator {
  let kept: { text: string; credentials: Credentials } | undefined;
  const credentials = async (): Promise<Credentials> => {
    const text = await secret();
    if (kept?.text === text) return kept.credentials;
    try {
      kept = { text, credentials: credentialsFor(auth, text) };
    } catch (error) {
      onSecretRefused?.();
      throw error;
    }
    return kept.credentials;
  };
  return {
    prepare: () => Promise.resolve(),
    credentials,
    async refused(used, _, refusal) {
      onSecretRefused?.();
      // The secret was changed while the old one was kept: then it is not the item's fault.
      if ((await credentials()) !== used)
        return new TransientError('HTTP_401', `${refusal} The secret has been changed meanwhile; the new one is next.`);
      const advice = 'Check the secret in apiTokenSecret: is it there, valid, and allowed to read this?';
      return new ItemError('HTTP_401', `${refusal} ${advice}`);
    },
  };
}
