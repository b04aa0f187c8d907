import { describe, expect, test } from '@jest/globals';
import { callKey, cursorAt, offsetAt, parseCall } from '../fake/call-key.ts';
import { hostileIds } from '../fake/hostile-ids.ts';
import chain from '../chain.ts';
import { hermesTree } from '../fake/tree.ts';
import { levelNamed } from '../../../shared/engine/chain/chain.ts';
import { failureKey, maxKeyBytes } from '../../../shared/engine/chain/keys.ts';

const sizes = { troops: 6, warriors: 7, groups: 5 };

describe('the tree of the local Hermes', () => {
  test('makes exactly 11,021 calls at 20 x 50 x 10 with pages of 100', () => {
    expect(hermesTree({ troops: 20, warriors: 50, groups: 10 }).expectedCalls(100)).toBe(1 + 20 + 1000 + 10_000);
  });

  test('counts every page of a longer list, and one page of an empty one', () => {
    expect(hermesTree({ troops: 201, warriors: 0, groups: 9 }).expectedCalls(100)).toBe(3 + 201);
    expect(hermesTree({ troops: 0, warriors: 1, groups: 1 }).expectedCalls(100)).toBe(1);
  });

  test.each([false, true])('finds every id that it gives out, and no other (hostile: %s)', (hostile) => {
    const tree = hermesTree({ troops: 40, warriors: 40, groups: 3, hostile });
    for (const node of tree.walk()) {
      const position = tree.positionOf(node.ids);
      expect(position).toBeDefined();
      expect(tree.idsAt(position ?? [])).toEqual(node.ids);
    }
    const ids = tree.idsAt([39]);
    expect(tree.positionOf([`${ids[0] ?? ''}0`])).toBeUndefined();
    expect(tree.positionOf(['checkout-eu-41'])).toBeUndefined();
    expect(tree.positionOf(['checkout-eu-0'])).toBeUndefined();
    expect(tree.positionOf([''])).toBeUndefined();
    expect(hermesTree(sizes).positionOf(['..'])).toBeUndefined();
  });

  test('gives the children of a list different ids, bodies that are JSON, and the same again for the same seed', () => {
    const nodes = [...hermesTree({ ...sizes, hostile: true }).walk()];
    expect(nodes).toEqual([...hermesTree({ ...sizes, hostile: true }).walk()]);
    expect(nodes).not.toEqual([...hermesTree({ ...sizes, hostile: true, seed: 2 }).walk()]);
    expect(nodes).toHaveLength(6 + 42 + 210 + 210);
    expect(new Set(nodes.map(({ kind, ids }) => JSON.stringify([kind, ids]))).size).toBe(nodes.length);
    for (const { kind, ids, body } of nodes) {
      expect(JSON.parse(body)).toMatchObject({ [kind === 'data' ? 'group' : 'id']: ids.at(-1) });
      expect(Buffer.byteLength(body)).toBeGreaterThan(90);
      expect(Buffer.byteLength(body)).toBeLessThan(900);
    }
  });

  test('puts numbers into every body that a double can not hold or JSON.stringify would shorten', () => {
    for (const { body } of hermesTree(sizes).walk()) {
      expect(body).toMatch(/17\d{17}/);
      expect(body).toMatch(/\d\.0[,\]}]/);
      expect(JSON.stringify(JSON.parse(body))).not.toBe(body);
    }
  });

  test('meets every hostile id somewhere, and plain ones too', () => {
    const tree = hermesTree({ troops: 3, warriors: 200, groups: 0, hostile: true });
    const ids = [...tree.walk()].filter(({ kind }) => kind === 'warrior').map((node) => node.ids[1] ?? '');
    expect(new Set(ids.filter((id) => hostileIds.includes(id)))).toEqual(new Set(hostileIds));
    expect(ids.filter((id) => /^[a-z]+-\d+$/.test(id)).length).toBeGreaterThan(300);
  });

  test('has hostile ids that are all different, and whose longest keys fit S3', () => {
    expect(new Set(hostileIds).size).toBe(hostileIds.length);
    const level = levelNamed(chain, 'data');
    const run = 'r'.repeat(64);
    const bytes = hostileIds.map((id) => failureKey(level, { run, ids: [id, id, id] }).length);
    // Three times the same id, for each: three different ones are no longer than three times the longest of them.
    expect(Math.max(...bytes)).toBeLessThanOrEqual(maxKeyBytes);
    expect(Math.max(...bytes)).toBeGreaterThan(600);
  });

  test('gives a single list another number of children, and beneath those as many as anywhere', () => {
    const [troop = ''] = hermesTree(sizes).idsAt([2]);
    const tree = hermesTree({ ...sizes, children: { [callKey('warriors', [troop])]: 1000 } });
    expect(tree.childCount([2])).toBe(1000);
    expect(tree.childCount([1])).toBe(7);
    expect(tree.positionOf(tree.idsAt([2, 999, 4]))).toEqual([2, 999, 4]);
    expect(tree.expectedCalls(100)).toBe(1 + 5 + 10 + (35 + 1000) * (1 + 5));
  });

  test.each(['nonsense', 'warriors?troop=nobody', 'data?troop=a&warrior=b&group=c', 'warriors'])(
    'refuses to resize %s, which is no list of it',
    (key) => {
      expect(() => hermesTree({ ...sizes, children: { [key]: 1 } })).toThrow(RangeError);
    },
  );
});

describe('call keys', () => {
  test.each([...hostileIds])('carry %j there and back', (id) => {
    const key = callKey('data', [id, id, id]);
    expect(parseCall(key)).toEqual({ call: { path: 'data', ids: [id, id, id] }, missing: [] });
  });

  test('carry the cursor last, and an empty one not at all', () => {
    expect(callKey('warriors', ['a b'], 'x')).toBe('warriors?troop=a%20b&cursor=x');
    expect(parseCall('warriors?cursor=&troop=a+b')).toEqual({ call: { path: 'warriors', ids: ['a b'] }, missing: [] });
  });

  test('say which ids a request lacks', () => {
    expect(parseCall('data?warrior=1')?.missing).toEqual(['troop', 'group']);
    expect(parseCall('toString')).toBeUndefined();
  });

  test('cursors give back their offset, and nothing else does', () => {
    expect(offsetAt(cursorAt(4200))).toBe(4200);
    expect(offsetAt('100')).toBeUndefined();
  });
});
