/** The API that a local run fetches from: the one at `--url`, or the source's own fake; and what the functions are told of it. */
import { baseUrl, parse } from '../../shared/lambda/setting.ts';
import type { RunningFake } from '../fake-api.ts';
import { UsageError, type Given, type GivenValue, type OptionTable } from '../terminal/options.ts';
import type { Source } from './source.ts';

/** What the functions get for an API: where it is, and where its secret is. */
export type ApiAccess = { environment: Record<string, string>; secrets: Record<string, string> };

/** The parameter `apiTokenSecret` of the local deployment: its functions may read this secret and no other. */
export const tokenSecret = 'local/api-token';

/** The environment variable that holds the secret of the API at `--url`. */
export const tokenVariable = 'API_TOKEN';

/** The secret takes the way that it takes on AWS: through Secrets Manager, never through a function's variable. */
export function apiAccess(url: string, token: string): ApiAccess {
  return {
    environment: { API_URL: url, API_TOKEN_SECRET: token === '' ? '' : tokenSecret },
    secrets: token === '' ? {} : { [tokenSecret]: token },
  };
}

export type OpenApi = {
  url: string;
  /** '' for none. */
  token: string;
  access: ApiAccess;
  /** In messages. */
  name: string;
  /** Calls that the API has received; undefined for one that can't be asked. */
  calls: (() => Promise<number>) | undefined;
  stop: () => Promise<void>;
};

/**
 * @param token of the API at the URL
 * @param given the options of the source's fake
 * @throws UsageError
 */
export async function openApi(
  { name, chain, fake }: Source,
  { url, token, given }: { url: string | undefined; token: string; given: Readonly<Record<string, GivenValue>> },
): Promise<OpenApi> {
  if (url !== undefined) {
    if (chain.api.auth.type !== 'none' && token === '')
      throw new UsageError(
        `The API of ${name} asks for a secret (auth: ${chain.api.auth.type}). Put it into the environment variable ${tokenVariable}.`,
      );
    // An API that asks for none gets none, whatever the variable holds.
    const sent = chain.api.auth.type === 'none' ? '' : token;
    const stop = (): Promise<void> => Promise.resolve();
    return { url, token: sent, access: apiAccess(url, sent), name: url, calls: undefined, stop };
  }
  if (fake === undefined) throw new UsageError(`The source ${name} has no fake of its API. Give --url URL.`);
  const running: RunningFake = await fake.start(given as Given<OptionTable>);
  return {
    url: running.url,
    token: running.secret,
    access: apiAccess(running.url, running.secret),
    name: `a fake ${fake.name}`,
    calls: async () => (await running.stats()).calls,
    stop: () => running.stop(),
  };
}

/** @throws UsageError. It never shows the address, which may hold a secret. */
export function checkUrl(url: string): string {
  if (!('problem' in parse(baseUrl, url))) return url;
  throw new UsageError(
    `--url must be ${baseUrl.allowed}. A secret goes into the environment variable ${tokenVariable}.`,
  );
}

/** Takes the secret out of the environment, so that no process or thread that is started from here on inherits it. */
export function takeToken(env: NodeJS.ProcessEnv): string {
  const token = env[tokenVariable] ?? '';
  // eslint-disable-next-line @typescript-eslint/no-dynamic-delete -- An environment variable is gone only when it is deleted.
  delete env[tokenVariable];
  return token;
}
