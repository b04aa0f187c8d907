/** Whether the API can be reached as the parameters say, and whether a token is given where only its secret's name belongs. */
import { functionParameters } from '../shared/lambda/setting-table.ts';
import { parse } from '../shared/lambda/setting.ts';

/** It never shows the value. @returns what is wrong with the API's address, one line each */
export function urlProblems(apiUrl: string): string[] {
  if (apiUrl === '')
    return [
      'apiUrl is not set: no function could call the API. Deploy with --param apiUrl=https://…, or set it under params: in serverless.yml.',
    ];
  const read = parse(functionParameters.apiUrl, apiUrl);
  return 'problem' in read ? [`apiUrl ${read.problem}.`] : [];
}

/** Texts that are tokens for certain: a JSON web token, and what well-known services give out. */
const tokens = [
  /^eyJ[\w-]+\.[\w-]+\./,
  /^bearer\b/i,
  /^(?:sk|pk|rk)[-_]\w{16}/,
  /^gh[opsu]_\w{16}/,
  /^xox[abps]-/,
  /^glpat-/,
];

/** A person names a secret with words; forty letters and digits without any are a key. Not certain, so it is only a warning. */
const keyLike = /^(?=.*\d)(?=.*[A-Za-z])[A-Za-z0-9+=]{32,}$/;

const instead =
  "apiTokenSecret is the name of a secret, and stands in the template; the token itself is the secret's text in Secrets Manager";

/** It never shows the value. @returns what is wrong, and what may be */
export function secretProblems(apiTokenSecret: string): { problems: string[]; warnings: string[] } {
  const none = { problems: [], warnings: [] };
  if (apiTokenSecret === '') return none;
  if (apiTokenSecret.startsWith('arn:')) return { ...none, problems: [`${instead}. Give the name, not the ARN.`] };
  if (tokens.some((token) => token.test(apiTokenSecret)))
    return { ...none, problems: [`${instead}. What is given looks like the token: if it is, revoke it.`] };
  const read = parse(functionParameters.apiTokenSecret, apiTokenSecret);
  if ('problem' in read)
    return {
      ...none,
      problems: [`${instead}. What is given can not be a secret's name: allowed are letters, digits and /_+=.@-`],
    };
  if (keyLike.test(apiTokenSecret))
    return { ...none, warnings: [`${instead}. If what is given is the token, revoke it.`] };
  return none;
}
