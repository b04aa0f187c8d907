/** Whether the API can be reached as the parameters say, and whether a token stands where only its secret's name may. */

/** @returns what is wrong with the API's address, a line */
export function urlProblems(hermesUrl: string): string[] {
  const protocol = URL.parse(hermesUrl)?.protocol;
  if (protocol === 'https:' || protocol === 'http:') return [];
  return [
    `hermesUrl is ${hermesUrl === '' ? 'not set' : 'no http:// or https:// address'}: no function could call the API. Deploy with --param hermesUrl=https://…, or set it under params: in serverless.yml.`,
  ];
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

/** "Alphanumeric characters and the following: /_+=.@-" (page API_CreateSecret). */
const secretName = /^[\w/+=.@-]{1,512}$/;

/** Whoever names a secret uses words; forty letters and digits without any are a key. Not certain, so it is only a warning. */
const keyLike = /^(?=.*\d)(?=.*[A-Za-z])[A-Za-z0-9+=]{32,}$/;

const instead =
  "hermesTokenSecret is the name of a secret, and stands in the template; the token itself is the secret's text in Secrets Manager";

/** It never shows the value. @returns what is wrong, and what may be */
export function secretProblems(hermesTokenSecret: string): { problems: string[]; warnings: string[] } {
  const none = { problems: [], warnings: [] };
  if (hermesTokenSecret === '') return none;
  if (hermesTokenSecret.startsWith('arn:')) return { ...none, problems: [`${instead}. Give the name, not the ARN.`] };
  if (tokens.some((token) => token.test(hermesTokenSecret)))
    return { ...none, problems: [`${instead}. What is given looks like the token: if it is, have a new one made.`] };
  if (!secretName.test(hermesTokenSecret))
    return {
      ...none,
      problems: [`${instead}. What is given can be no secret's name: allowed are letters, digits and /_+=.@-`],
    };
  if (keyLike.test(hermesTokenSecret))
    return { ...none, warnings: [`${instead}. Is what is given not the token? Then have a new one made.`] };
  return none;
}
