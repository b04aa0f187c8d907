/** What `npm run new-source` writes: a chain of two levels with comments that teach, and a README. */

/** @returns why a source can't have this name, or undefined */
export function nameProblem(name: string): string | undefined {
  // It is a folder, a parameter of the deployment, and a part of the name of a package.
  if (/^[a-z][a-z0-9_-]{0,31}$/.test(name)) return undefined;
  return `A source's name is 1 to 32 of a-z 0-9 - _ and begins with a letter, not ${JSON.stringify(name)}.`;
}

export function chainTemplate(name: string): string {
  return `/**
 * The API "${name}" as s3-cascade fetches it. A chain has 1 to 8 levels: lists, and one result at the end. What a list finds are
 * the items of the level below. docs/sources.md describes every word; \`npm run try -- --source ${name} --url URL\` makes one call
 * of a level and prints what this file makes of the answer.
 */
import { bearer, cursor, defineChain, list, result } from '../../shared/source/define.ts';

export default defineChain({
  // How the API knows you: none(), bearer(), apiKey(), httpBasic() or oauth2ClientCredentials(). The secret itself is never in this
  // file: locally it is in the environment variable API_TOKEN, on AWS in the secret that the parameter apiTokenSecret names.
  api: { auth: bearer() },

  levels: [
    // GET <apiUrl>/users. Each element of the answer's list becomes an item: users/<run>/<user>.json in the bucket.
    list('users', {
      // The name of the children's id: {user} below, and \`--only user=a,b\`.
      id: 'user',
      // Below the deployment's apiUrl.
      path: 'users',
      // Where the list is in the answer: {"data": [...]}. '$' when the answer is the list.
      items: 'data',
      // Where a child's id is in its element. Default: 'id'. '$' when the elements are the ids.
      idPath: 'id',
      // How the next page is found: here the answer names it at "next_cursor", and the next call sends it as ?cursor=...
      // Others: singlePage(), jsonLink(), headerLink(), headerCursor(), offset(), pageNumber().
      next: cursor('next_cursor', { param: 'cursor' }),
    }),

    // GET <apiUrl>/users/<user>/events, once for each user. The answer is stored as it is: events/<run>/<user>.json
    result('events', { path: 'users/{user}/events' }),
  ],
});
`;
}

export function readmeTemplate(name: string): string {
  return `# ${name}

Which API this is, where it is documented, and what is fetched from it.

| level    | call                       | becomes                    |
| -------- | -------------------------- | -------------------------- |
| \`users\`  | \`GET /users\`               | \`users/<run>/<user>.json\`  |
| \`events\` | \`GET /users/{user}/events\` | \`events/<run>/<user>.json\` |

\`\`\`sh
export API_TOKEN=...      # when the API asks for a secret
npm run try -- --source ${name} --url https://api.example.com
npm run try -- --source ${name} --url https://api.example.com --level events --id user=ID
npm start -- --source ${name} --url https://api.example.com --only user=ID
npx sls deploy --param source=${name} --param apiUrl=https://api.example.com --param apiTokenSecret=NAME
\`\`\`
`;
}
