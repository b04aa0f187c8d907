import { checkFields, filledText, headerName, isRecord, oneOf, show, type Say } from './field-checks.ts';

const kinds = 'none(), bearer(), apiKey(…), httpBasic(), oauth2ClientCredentials(…)';

const oauthFields = {
  tokenPath: filledText,
  tokenUrl: { allowed: 'an http or https URL without user, password and fragment', fits: isTokenUrl },
  scope: filledText,
  credentials: oneOf('form', 'basic'),
  fields: { allowed: 'an object of texts', fits: isTexts },
};

function isTokenUrl(value: unknown): boolean {
  const url = typeof value === 'string' ? URL.parse(value) : null;
  return url !== null && /^https?:$/.test(url.protocol) && `${url.username}${url.password}${url.hash}` === '';
}

function isTexts(value: unknown): boolean {
  return isRecord(value) && Object.values(value).every((each) => typeof each === 'string');
}

export function authProblems(auth: Readonly<Record<string, unknown>>, say: Say): void {
  const { type, ...fields } = auth;
  switch (type) {
    case 'none':
    case 'bearer':
    case 'httpBasic':
      for (const field of Object.keys(fields)) say(`auth.${field}`, `is unknown; ${type}() takes no options`);
      return;
    case 'apiKey':
      checkFields(fields, { header: headerName, query: filledText }, [], say, 'auth.');
      if ((fields['header'] === undefined) === (fields['query'] === undefined))
        say('auth', "must name one place for the key: apiKey({ header: 'X-Api-Key' }) or apiKey({ query: 'key' })");
      return;
    case 'oauth2ClientCredentials':
      checkFields(fields, oauthFields, [], say, 'auth.');
      if ((fields['tokenPath'] === undefined) === (fields['tokenUrl'] === undefined))
        say('auth', 'must name where tokens come from: tokenPath (below apiUrl) or tokenUrl (a whole URL)');
      if (typeof fields['tokenPath'] === 'string' && /^([a-z][a-z0-9+.-]*:|\/\/)/i.test(fields['tokenPath']))
        say('auth.tokenPath', 'must be below apiUrl; a whole URL goes into tokenUrl');
      return;
    default:
      say('auth', `must be one of ${kinds}, not ${show(auth)}`);
  }
}

/** The lower-case name of the header that carries the secret. */
export function headerOfAuth(auth: unknown): string | undefined {
  if (!isRecord(auth) || auth['type'] === 'none') return undefined;
  if (auth['type'] !== 'apiKey') return 'authorization';
  return typeof auth['header'] === 'string' ? auth['header'].toLowerCase() : undefined;
}
