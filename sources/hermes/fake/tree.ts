/**
 * The tree that the local Hermes serves: every id and every body is a pure function of the sizes and the seed.
 * Nothing is stored, so a tree of any size costs nothing, and a test can walk the same tree without the server.
 */
import { callKey, parseCall } from './call-key.ts';
import { hash } from './hash.ts';
import { hostileIds } from './hostile-ids.ts';

export type TreeOptions = {
  troops: number;
  warriors: number;
  groups: number;
  seed?: number;
  /** Every third id of a list is a hostile one, as long as there are any left. */
  hostile?: boolean;
  /** Another number of children for single lists, by call key without cursor: `{ 'warriors?troop=a-1': 50_000 }`. */
  children?: Readonly<Record<string, number>>;
};

/** Where a node is: [troop], [troop, warrior] or [troop, warrior, group], counted from 0. [] is the root. */
export type Position = readonly number[];

/** `ids` run from the troop down to the node; a `data` node has its group's. */
export type HermesNode = { kind: 'troop' | 'warrior' | 'group' | 'data'; ids: readonly string[]; body: string };

export type HermesTree = {
  readonly childCount: (parent: Position) => number;
  readonly idsAt: (position: Position) => string[];
  /** Undefined for an id that is not in the tree. */
  readonly positionOf: (ids: readonly string[]) => Position | undefined;
  /** The list item of a troop, warrior or group, as JSON text. */
  readonly itemAt: (position: Position) => string;
  /** The answer to a data call, as JSON text. */
  readonly dataAt: (group: Position) => string;
  /** How many calls a crawl makes that asks for every page and every group's data once. */
  readonly expectedCalls: (pageSize: number) => number;
  /** Every node, parents before children, in the order of the lists. */
  readonly walk: () => Generator<HermesNode>;
};

const services = ['checkout', 'ledger', 'catalog', 'search', 'identity', 'shipping', 'pricing', 'mailer'];
const regions = ['eu', 'us', 'ap', 'sa', 'af'];
const amazons = ['hippolyta', 'penthesilea', 'antiope', 'melanippe', 'otrera', 'thalestris', 'myrina', 'lampedo'];
const metrics = ['heart-rate', 'arrow-count', 'march-speed', 'shield-wear', 'horse-rest', 'rations', 'sleep', 'aim'];
const units = ['ms', 'count', 'km/h', 'percent'];
const pointsPerGroup = 12;
/** 2026-11-01T00:00:00Z. In nanoseconds it is beyond 2^53: a reader that takes it for a double loses its last digits. */
const startSeconds = 1_793_491_200;

const pick = (words: readonly string[], number: number): string => words[number % words.length] ?? '';
const nanoseconds = (offsetSeconds: number, rest: number): string =>
  `${startSeconds + offsetSeconds}${String(rest % 1_000_000_000).padStart(9, '0')}`;

export function hermesTree(options: TreeOptions): HermesTree {
  const { troops, warriors, groups, seed = 1, hostile = false } = options;
  const sizes = [troops, warriors, groups];
  const otherSizes = new Map<string, number>();

  const childCount = (parent: Position): number =>
    (otherSizes.size > 0 ? otherSizes.get(parent.join()) : undefined) ?? sizes[parent.length] ?? 0;

  /** Hostile ids start at another place of the list under each parent, so that small trees meet all of them. */
  const rotation = (parent: Position): number => hash(seed, 'rotation', ...parent) % hostileIds.length;

  const idAt = (parent: Position, index: number): string => {
    if (hostile && index % 3 === 1 && (index - 1) / 3 < hostileIds.length) {
      return pick(hostileIds, rotation(parent) + (index - 1) / 3);
    }
    const draw = hash(seed, ...parent, index);
    if (parent.length === 0) return `${pick(services, draw)}-${pick(regions, draw >>> 8)}-${index + 1}`;
    return `${pick(parent.length === 1 ? amazons : metrics, draw)}-${index + 1}`;
  };

  const indexOf = (parent: Position, id: string): number | undefined => {
    let index = Number(/-(\d{1,9})$/.exec(id)?.[1] ?? 0) - 1;
    const hostileIndex = hostile ? hostileIds.indexOf(id) : -1;
    if (hostileIndex !== -1) {
      index = ((hostileIndex - rotation(parent) + hostileIds.length) % hostileIds.length) * 3 + 1;
    }
    return index >= 0 && index < childCount(parent) && idAt(parent, index) === id ? index : undefined;
  };

  const positionOf = (ids: readonly string[]): Position | undefined => {
    const position: number[] = [];
    for (const id of ids) {
      const index = indexOf(position, id);
      if (index === undefined) return undefined;
      position.push(index);
    }
    return position;
  };

  const idsAt = (position: Position): string[] => position.map((index, depth) => idAt(position.slice(0, depth), index));

  const itemAt = (position: Position): string => {
    const index = position.at(-1) ?? 0;
    const id = idAt(position.slice(0, -1), index);
    const draw = hash(seed, 'item', ...position);
    const created = nanoseconds(-(draw % 10_000_000), draw);
    const name = JSON.stringify(id);
    if (position.length === 1) {
      const region = pick(regions, draw);
      return `{"id":${name},"name":"Troop ${index + 1}","region":"${region}","host":"t${index + 1}.${region}.hermes.test","created":${created},"load":${(draw % 40).toFixed(1)},"warriors":${childCount(position)}}`;
    }
    if (position.length === 2) {
      return `{"id":${name},"name":"Warrior ${index + 1}","host":"w${index + 1}.hermes.test","created":${created},"strength":${(draw % 100).toFixed(1)},"mounted":${draw % 2 === 0},"groups":${childCount(position)}}`;
    }
    return `{"id":${name},"name":"Group ${index + 1}","unit":"${pick(units, draw)}","created":${created},"scale":1.0,"points":${pointsPerGroup}}`;
  };

  const dataAt = (group: Position): string => {
    const id = idAt(group.slice(0, -1), group.at(-1) ?? 0);
    const draw = hash(seed, 'data', ...group);
    const points = Array.from({ length: pointsPerGroup }, (_, minute) => {
      const value = hash(draw, minute);
      return `[${nanoseconds(minute * 60, value)},${((value % 200) - 100).toFixed(1)}]`;
    });
    const unit = pick(units, hash(seed, 'item', ...group));
    return `{"group":${JSON.stringify(id)},"unit":"${unit}","points":[${points.join(',')}]}`;
  };

  const expectedCalls = (pageSize: number): number => {
    const pages = (children: number): number => Math.max(1, Math.ceil(children / pageSize));
    let calls = pages(childCount([]));
    for (let troop = 0; troop < childCount([]); troop += 1) {
      const warriorCount = childCount([troop]);
      calls += pages(warriorCount);
      for (let warrior = 0; warrior < warriorCount; warrior += 1) {
        const groupCount = childCount([troop, warrior]);
        calls += pages(groupCount) + groupCount;
      }
    }
    return calls;
  };

  function* walkUnder(parent: Position, parentIds: readonly string[]): Generator<HermesNode> {
    const kind = (['troop', 'warrior', 'group'] as const)[parent.length] ?? 'group';
    for (let index = 0; index < childCount(parent); index += 1) {
      const position = [...parent, index];
      const ids = [...parentIds, idAt(parent, index)];
      yield { kind, ids, body: itemAt(position) };
      if (kind === 'group') yield { kind: 'data', ids, body: dataAt(position) };
      else yield* walkUnder(position, ids);
    }
  }

  // Shorter keys first: an id that exists only because its parent's list was made longer must be found.
  const resized = Object.entries(options.children ?? {}).map(([key, count]) => ({
    call: parseCall(key)?.call,
    key,
    count,
  }));
  resized.sort((a, b) => (a.call?.ids.length ?? 0) - (b.call?.ids.length ?? 0));
  for (const { call, key, count } of resized) {
    const position = call === undefined ? undefined : positionOf(call.ids);
    if (call === undefined || position === undefined || key !== callKey(call.path, call.ids) || call.path === 'data') {
      throw new RangeError(`no list of this tree has the call key ${JSON.stringify(key)}`);
    }
    otherSizes.set(position.join(), count);
  }

  return { childCount, idsAt, positionOf, itemAt, dataAt, expectedCalls, walk: () => walkUnder([], []) };
}
