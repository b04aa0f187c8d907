/**
 * The name of one call to Hermes: what the call log, the overrides and the failure draws are keyed by.
 *
 * A key is the path, then the ids in the order of the tree, then the cursor, each value as encodeURIComponent writes it:
 *
 *     troops
 *     warriors?troop=checkout-eu-1
 *     warriors?troop=checkout-eu-1&cursor=ZnJvbToxMDA
 *     data-groups?troop=..&warrior=a%2Fb
 *     data?troop=checkout-eu-1&warrior=antiope-3&group=heart-rate-7
 */

export type CallPath = 'troops' | 'warriors' | 'data-groups' | 'data';

/** The query parameters that each path takes, in the order of the tree. */
export const idNames = {
  troops: [],
  warriors: ['troop'],
  'data-groups': ['troop', 'warrior'],
  data: ['troop', 'warrior', 'group'],
} as const satisfies Record<CallPath, readonly string[]>;

export function isCallPath(path: string): path is CallPath {
  return Object.hasOwn(idNames, path);
}

export function callKey(path: CallPath, ids: readonly string[] = [], cursor?: string): string {
  const parameters = idNames[path].map((name, index) => `${name}=${encodeURIComponent(ids[index] ?? '')}`);
  if (cursor !== undefined) parameters.push(`cursor=${encodeURIComponent(cursor)}`);
  return parameters.length === 0 ? path : `${path}?${parameters.join('&')}`;
}

export type Call = { path: CallPath; ids: string[]; cursor?: string };

/** Reads a key, or any request target without its leading slash. `missing` names the ids that are not there. */
export function parseCall(target: string): { call: Call; missing: string[] } | undefined {
  const mark = target.indexOf('?');
  const path = mark === -1 ? target : target.slice(0, mark);
  if (!isCallPath(path)) return undefined;
  const query = new URLSearchParams(mark === -1 ? '' : target.slice(mark));
  const missing: string[] = idNames[path].filter((name) => !query.has(name));
  const ids = idNames[path].map((name) => query.get(name) ?? '');
  // `cursor=` with nothing in it asks for the first page, as no cursor does.
  const cursor = query.get('cursor');
  return { call: cursor === null || cursor === '' ? { path, ids } : { path, ids, cursor }, missing };
}

/** Cursors say nothing to a client: it can only hand them back. */
export function cursorAt(offset: number): string {
  return Buffer.from(`from:${offset}`).toString('base64url');
}

/** The offset in a cursor, or undefined when this server never gave it out. */
export function offsetAt(cursor: string): number | undefined {
  const match = /^from:(\d{1,9})$/.exec(Buffer.from(cursor, 'base64url').toString());
  return match === null ? undefined : Number(match[1]);
}
