import { ConfigError } from '../engine/errors.ts';

/**
 * @returns without a slash at its end
 * @throws ConfigError for what is not an http or https URL, or may hold a secret
 */
export function readBaseUrl(text: string): string {
  const url = URL.parse(text);
  const isHttp = url?.protocol === 'http:' || url?.protocol === 'https:';
  if (url === null || !isHttp || `${url.username}${url.password}${url.search}${url.hash}` !== '') {
    // Not shown: what is wrong with it may be the password in it.
    throw new ConfigError(['apiUrl must be an http or https URL without user, password, query and fragment']);
  }
  return url.href.replace(/\/+$/, '');
}
