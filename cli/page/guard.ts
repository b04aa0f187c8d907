/**
 * Who may use the page's server: the browser that opened the address with the token. Any program of the machine can connect to
 * a port of 127.0.0.1, and any web page can make a browser send requests there.
 */
import { randomBytes, timingSafeEqual } from 'node:crypto';
import type { IncomingMessage } from 'node:http';

export type Guard = {
  /** In the address that a person opens. */
  token: string;
  /** For `Set-Cookie`. */
  cookie: () => string;
  /** Whether the request is for this server by its own name: one that a foreign name was pointed at has another. */
  isAddressed: (request: IncomingMessage) => boolean;
  isToken: (token: string | null) => boolean;
  hasCookie: (request: IncomingMessage) => boolean;
  /** Whether the page itself sent it. Browsers set `Origin` on every POST, and no page can change it. */
  isFromPage: (request: IncomingMessage) => boolean;
};

export function createGuard(port: () => number): Guard {
  const token = randomBytes(24).toString('base64url');
  // Cookies do not know ports: two pages of one machine must not take each other's.
  const name = (): string => `s3-cascade-${port()}`;
  const hosts = (): string[] => [`127.0.0.1:${port()}`, `localhost:${port()}`];
  return {
    token,
    cookie: () => `${name()}=${token}; Path=/; HttpOnly; SameSite=Strict`,
    isAddressed: ({ headers: { host = '' } }) => hosts().includes(host),
    isToken: (given) => given !== null && isSame(given, token),
    hasCookie: ({ headers: { cookie = '' } }) =>
      cookie.split(/; */).some((each) => each.startsWith(`${name()}=`) && isSame(each.slice(name().length + 1), token)),
    isFromPage: ({ headers: { origin = '', host = '' } }) => origin === `http://${host}`,
  };
}

function isSame(given: string, token: string): boolean {
  const [one, other] = [Buffer.from(given), Buffer.from(token)];
  return one.length === other.length && timingSafeEqual(one, other);
}
