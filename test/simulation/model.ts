/**
 * What the API serves, and what the bucket must hold of it. It shares no code with the engine: it has its own table of the
 * levels (chain-plan.ts) and its own way to write keys, so that a mistake there is not repeated here.
 */
import type { ChainPlan } from './chain-plan.ts';
import type { Faults, Site } from './faults.ts';
import { hostileIds, longestIdsBytes } from './hostile-ids.ts';

/** What the API answers for an item until it is mended; or what its answer does to the function that reads it. */
export const poisons = [
  'http-404',
  'http-500',
  'not-json',
  'wrong-shape',
  'empty-id',
  'half-surrogate',
  'same-id-twice',
  'redirect',
  'not-yet',
  'always-wait',
  'endless-list',
  'crashes',
] as const;
export type Poison = (typeof poisons)[number];
const answeredPoisons = poisons.filter((poison) => poison !== 'crashes');

/** Something the API knows: an answer can be asked for it. */
export type ApiNode = {
  id: string;
  depth: number;
  /** Its item is the seed. */
  isRoot: boolean;
  /** It becomes a result, and no list. */
  isLeaf: boolean;
  ids: readonly string[];
  /** As it stands in its parent's list. */
  text: string;
  /** The data of a leaf. */
  data: string;
  children: ApiNode[];
  /** Its parent's list has it from then on, and until then, in milliseconds since 1970. */
  sinceMs: number;
  untilMs: number;
  poison: Poison | undefined;
};

/** An item of a run, with the keys that everything about it has. */
export type Node = {
  api: ApiNode;
  run: string;
  level: string;
  itemKey: string;
  /** Its receipt; a leaf's result. */
  doneKey: string;
  failureKey: string;
  parent: Node | undefined;
  children: Node[];
  /** It or one of those above it came into the API later, or left it, so that a run may be without it. */
  isLate: boolean;
  /** It is one of several in an object, so that no object has its keys. */
  isInBatch: boolean;
};

export type KeyRole = { node: Node; is: 'item' | 'done' | 'failure' };

/** @param startMs when the schedule starts; what is born later is born within `dayMs` */
export function growTree(plan: ChainPlan, faults: Faults, startMs: number, dayMs: number): ApiNode {
  const { rows, size } = plan;
  let serial = 0;
  const grow = (id: string, depth: number, ids: readonly string[], isFirst: boolean): ApiNode => {
    serial += 1;
    const site = faults.site(`tree ${JSON.stringify(ids)}`);
    const isLate = depth > 0 && !isFirst && faults.strikes('api-grows', site);
    const isLeaving = depth > 0 && !isFirst && !isLate && faults.strikes('api-shrinks', site);
    const node: ApiNode = {
      id,
      depth,
      isRoot: depth === 0,
      isLeaf: depth === size.length,
      ids,
      // Parsed and printed again, the numbers would be others.
      text: `{ "id":${JSON.stringify(id)},${breakAt(plan, serial)} ${moreIn(serial)}"serial":1234567890123456789${serial}, "share":1.0 }`,
      data: dataOf(plan, ids, serial),
      children: [],
      sinceMs: isLate ? startMs + faults.between(site, 'since', 1, dayMs) : 0,
      untilMs: isLeaving ? startMs + faults.between(site, 'until', 1, dayMs) : Infinity,
      poison: drawPoison(faults, site),
    };
    const max = size[depth];
    if (max === undefined) return node;
    // The first of the first, and so on, is never without a child: every chain is walked to its end.
    const least = depth === 0 ? Math.min(2, max) : isFirst ? 1 : 0;
    const count = faults.between(site, 'children', least, max);
    for (let index = 0; index < count; index += 1) {
      const place = faults.site(`id ${JSON.stringify(ids)} ${index}`);
      const plain = `${rows[depth]?.id ?? ''}-${index}`;
      const hostile = faults.strikes('hostile-id', place) ? faults.pick(place, 'id', hostileIds) : plain;
      const isTaken = node.children.some((child) => child.id === hostile);
      const isTooLong = segment(hostile).length > longestIdsBytes / size.length;
      const childId = isTaken || isTooLong ? plain : hostile;
      node.children.push(grow(childId, depth + 1, [...ids, childId], isFirst && index === 0));
    }
    return node;
  };
  return grow('', 0, [], true);
}

function drawPoison(faults: Faults, site: Site): Poison | undefined {
  if (faults.strikes('poisoned-item', site)) return faults.pick(site, 'poison', answeredPoisons);
  return faults.strikes('crashing-item', site) ? 'crashes' : undefined;
}

function dataOf(plan: ChainPlan, ids: readonly string[], serial: number): string {
  if (plan.results === 'csv') return `of,value\r\n${ids.length},${serial}.50\r\n`;
  const more = plan.results === 'json' ? '' : ',"large":1e400,"line":"a\\nb\u2028c"';
  return `{"of":${JSON.stringify(ids)},${breakAt(plan, serial)}"value":${serial}.50${more}}`;
}

/** What a reader of JSON may stumble over: brackets and quotes in texts, backslashes at their ends, objects in lists in objects. */
function moreIn(serial: number): string {
  const more = [
    '',
    String.raw`"path":"C:\\", `,
    String.raw`"said":"a\"b]},{[\\\"", `,
    '"deep":{"a":[{"b":[[1],{}]}]}, ',
  ];
  return more[Math.floor(serial / 2) % more.length] ?? '';
}

/** Batches and their results have a line for each item: an API that breaks its own must not break theirs. */
function breakAt({ results }: ChainPlan, serial: number): string {
  return results === 'lines' ? (['', '\n', '\r\n', '\r'][serial % 4] ?? '') : '';
}

/** Every byte but A-Z a-z 0-9 _ - as % and two hexadecimal digits. */
function segment(id: string): string {
  return [...Buffer.from(id, 'utf8')]
    .map((byte) => {
      const letter = String.fromCharCode(byte);
      return /[A-Za-z0-9_-]/.test(letter) ? letter : `%${byte < 16 ? '0' : ''}${byte.toString(16).toUpperCase()}`;
    })
    .join('');
}

/** Whatever could ever lie in the bucket for the items of a run: every node, and every key by what it is. */
export function modelRun({ rows, batch }: ChainPlan, run: string, root: ApiNode, roles: Map<string, KeyRole>): Node {
  const add = (api: ApiNode, parent: Node | undefined, trail: string): Node => {
    const row = rows[api.depth];
    if (row === undefined) throw new Error('The tree is deeper than the table.');
    const path = `${trail}.json`;
    const node: Node = {
      api,
      run,
      level: row.level,
      itemKey: `${row.reads}/${path}`,
      doneKey: row.id === undefined ? `${row.writes}/${trail}${row.suffix}` : `receipts/${row.level}/${path}`,
      failureKey: `failures/${row.level}/${path}`,
      parent,
      children: [],
      isLate: parent?.isLate === true || !isAlways(api),
      isInBatch: api.isLeaf && batch > 1,
    };
    if (!node.isInBatch) {
      roles.set(node.itemKey, { node, is: 'item' });
      roles.set(node.doneKey, { node, is: 'done' });
      roles.set(node.failureKey, { node, is: 'failure' });
    }
    node.children = api.children.map((child) => add(child, node, `${trail}/${segment(child.id)}`));
    return node;
  };
  return add(root, undefined, run);
}

/** How an item's key goes on behind its prefix, without the suffix. */
export function trailOf({ run, api }: Node): string {
  return [run, ...api.ids.map(segment)].join('/');
}

/** What says that a run is complete. */
export function markerOf({ rows }: ChainPlan, run: string): string {
  return `${rows.at(-1)?.writes}/${run}/_SUCCESS`;
}

/** The API has it from the beginning to the end. */
export function isAlways({ sinceMs, untilMs }: ApiNode): boolean {
  return sinceMs === 0 && untilMs === Infinity;
}

export function* everyNode(node: Node): Generator<Node> {
  yield node;
  for (const child of node.children) yield* everyNode(child);
}

/** How S3 writes a key into an event: a form's encoding, but for the slashes. */
export function eventKey(key: string): string {
  return [...Buffer.from(key, 'utf8')]
    .map((byte) => {
      const letter = String.fromCharCode(byte);
      if (letter === ' ') return '+';
      return /[A-Za-z0-9_.*/-]/.test(letter) ? letter : `%${byte.toString(16).toUpperCase().padStart(2, '0')}`;
    })
    .join('');
}

/**
 * What an event asks for: its object, how often that was replayed, re-fired since then, and sent to wait since then, and whether it
 * is to be expanded once more.
 */
export type EventKey = {
  key: string;
  /** When S3 says that the object was written, in milliseconds since 1970. */
  atMs: number;
  again: boolean;
  replays: number;
  refires: number;
  waited: number;
};

/** The keys that an event's text is about; none for a text that is no event. */
export function keysOfEvent(text: string): EventKey[] {
  try {
    const event = JSON.parse(text) as {
      Records?: {
        eventTime?: string;
        s3?: { object?: { key?: unknown } };
        s3Cascade?: Partial<Omit<EventKey, 'key'>>;
      }[];
    };
    return (event.Records ?? []).flatMap(({ eventTime = '', s3, s3Cascade }) => {
      const key = s3?.object?.key;
      if (typeof key !== 'string') return [];
      return [
        {
          key: decodeURIComponent(key.replace(/\+/g, '%20')),
          atMs: Date.parse(eventTime),
          again: s3Cascade?.again === true,
          replays: s3Cascade?.replays ?? 0,
          refires: s3Cascade?.refires ?? 0,
          waited: s3Cascade?.waited ?? 0,
        },
      ];
    });
  } catch {
    return [];
  }
}

/** The event in a dead letter or a waiting message, whatever its shape; an empty text for what is none. */
export function eventTextIn(body: string): string {
  try {
    const letter = JSON.parse(body) as { requestPayload?: unknown; event?: unknown };
    return JSON.stringify(letter.requestPayload ?? letter.event ?? letter);
  } catch {
    return '';
  }
}
