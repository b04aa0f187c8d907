/** What the secret's text must look like for each auth, and what it becomes in a request. */
import { ItemError } from '../engine/errors.ts';
import type { Auth } from './declaration.ts';
import { createMask, noMask, type Mask } from './secret-mask.ts';

export type Credentials = {
  headers: Readonly<Record<string, string>>;
  query: Readonly<Record<string, string>>;
  mask: Mask;
};

export const noCredentials: Credentials = { headers: {}, query: {}, mask: noMask };

/**
 * @param secret the secret's text
 * @throws ItemError `BAD_TOKEN` without showing anything of it
 */
export function credentialsFor(auth: Exclude<Auth, { type: 'oauth2ClientCredentials' }>, secret: string): Credentials {
  switch (auth.type) {
    case 'none':
      return noCredentials;
    case 'bearer':
      return bearerCredentials(secret, 'the secret in apiTokenSecret');
    case 'httpBasic': {
      if (!secret.includes(':') || !/^[^\u0000-\u001f\u007f]+$/.test(secret))
        throw refuse('must hold user:password for httpBasic(), with a colon and without control characters');
      const encoded = Buffer.from(secret).toString('base64');
      const password = secret.slice(secret.indexOf(':') + 1);
      return { headers: { authorization: `Basic ${encoded}` }, query: {}, mask: createMask([secret, password]) };
    }
    case 'apiKey': {
      const mask = createMask([secret]);
      if ('query' in auth) {
        if (secret === '') throw refuse('is empty');
        return { headers: {}, query: { [auth.query]: secret }, mask };
      }
      if (!/^[\x20-\x7e]+$/.test(secret)) throw refuse('is empty or has characters that no HTTP header can carry');
      return { headers: { [auth.header.toLowerCase()]: secret }, query: {}, mask };
    }
  }
}

/** @throws ItemError `BAD_TOKEN` */
export function bearerCredentials(token: string, name: string): Credentials {
  if (/^bearer(\s|$)/i.test(token.trim()))
    throw refuse('begins with the word Bearer: it must hold the token alone, since the client adds the word', name);
  // Node would refuse it too, with the whole token in its message.
  if (!/^[\x21-\x7e]+$/.test(token))
    throw refuse('is empty or has characters that no HTTP header can carry, such as spaces', name);
  return { headers: { authorization: `Bearer ${token}` }, query: {}, mask: createMask([token]) };
}

export type ClientSecret = { id: string; secret: string };

/** @throws ItemError `BAD_TOKEN` */
export function readClientSecret(text: string): ClientSecret {
  const problem = 'must hold JSON for oauth2ClientCredentials(): {"client_id": "…", "client_secret": "…"}';
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    throw refuse(problem); // The parser's message would quote the secret.
  }
  if (typeof value !== 'object' || value === null) throw refuse(problem);
  const { client_id: id, client_secret: secret } = value as Record<string, unknown>;
  if (typeof id !== 'string' || typeof secret !== 'string' || id === '' || secret === '') throw refuse(problem);
  return { id, secret };
}

function refuse(problem: string, name = 'the secret in apiTokenSecret'): ItemError {
  return new ItemError('BAD_TOKEN', `No call was made: ${name} ${problem}.`);
}
