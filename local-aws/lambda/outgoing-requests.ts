/** The HTTP requests that a function's thread sends to other hosts than the engine, as Node's own clients tell of them. */
import { subscribe } from 'node:diagnostics_channel';

/**
 * @param endpoint of the engine: what goes there is not told
 * @param onRequest with the time in milliseconds since 1970
 */
export function watchRequests(endpoint: string | undefined, onRequest: (atMs: number) => void): void {
  const ours = endpoint === undefined ? undefined : new URL(endpoint).host;
  const tell = (host: string | undefined): void => {
    if (host !== ours) onRequest(performance.timeOrigin + performance.now());
  };
  // node:http and node:https (page diagnostics_channel, "http.client.request.start").
  subscribe('http.client.request.start', (message) => {
    const { request } = message as { request: { getHeader: (name: string) => unknown } };
    tell(String(request.getHeader('host')));
  });
  // The global fetch.
  subscribe('undici:request:create', (message) => {
    const { request } = message as { request: { origin?: string | URL } };
    tell(request.origin === undefined ? undefined : new URL(request.origin).host);
  });
}
