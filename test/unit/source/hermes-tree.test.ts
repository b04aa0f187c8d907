/** The whole client against the example's fake API: a large tree with hostile ids, and every failure that it knows. */
import { afterEach, describe, expect, test } from '@jest/globals';
import { bearer, cursor, defineChain, list, result } from '../../../shared/source/define.ts';
import { auditCalls } from '../../../sources/hermes/fake/audit.ts';
import { startHermes, type HermesOptions, type LocalHermes } from '../../../sources/hermes/fake/server.ts';
import { childrenOf, fetchOf, resultOf, secretIs, type AskOptions } from './server.ts';

const stops: (() => unknown)[] = [];
afterEach(async () => {
  for (const stop of stops.splice(0)) await stop();
});

async function serve(options: HermesOptions): Promise<LocalHermes> {
  const server = await startHermes(options);
  stops.push(server.stop);
  return server;
}

const paging = { items: 'items', next: cursor('next') };
const chain = defineChain({
  api: { auth: bearer() },
  levels: [
    list('troops', { id: 'troop', path: 'troops', ...paging }),
    list('warriors', { id: 'warrior', path: 'warriors', query: { troop: '{troop}' }, ...paging }),
    list('groups', { id: 'group', path: 'data-groups', query: { troop: '{troop}', warrior: '{warrior}' }, ...paging }),
    result('data', { path: 'data', query: { troop: '{troop}', warrior: '{warrior}', group: '{group}' } }),
  ],
});

describe('the client and the example API', () => {
  test('the whole tree, hostile ids and all, byte for byte, each call once', async () => {
    const server = await serve({ troops: 7, warriors: 5, groups: 5, pageSize: 3, hostile: true, token: 'secret' });
    const fetchFor = (level: string) => fetchOf(chain, level, `${server.url}/`, secretIs('secret'));
    const [troops, warriors, groups, data] = [
      fetchFor('troops'),
      fetchFor('warriors'),
      fetchFor('groups'),
      fetchFor('data'),
    ];
    const found: { ids: string[]; body: unknown }[] = [];
    for (const troop of await childrenOf(troops)) {
      found.push({ ids: [troop.id], body: troop.body });
      for (const warrior of await childrenOf(warriors, { ids: [troop.id] })) {
        found.push({ ids: [troop.id, warrior.id], body: warrior.body });
        for (const group of await childrenOf(groups, { ids: [troop.id, warrior.id] })) {
          const ids = [troop.id, warrior.id, group.id];
          found.push({ ids, body: group.body }, { ids, body: (await resultOf(data, { ids })).body });
        }
      }
    }
    expect(found).toEqual([...server.tree().walk()].map(({ ids, body }) => ({ ids, body })));
    const audit = auditCalls(server.calls());
    expect(audit.calls).toBe(server.tree().expectedCalls(3));
    expect(audit.repeats).toEqual([]);
    expect(audit.byStatus).toEqual({ 200: audit.calls });
  });

  test('every failure at random passes when the gate calls again', async () => {
    const server = await serve({ troops: 40, warriors: 1, groups: 1, pageSize: 1, failRate: 0.4 });
    const codes = new Set<string>();
    const gate: AskOptions['gate'] = async (call) => {
      for (;;) {
        try {
          return await call(AbortSignal.timeout(5_000));
        } catch (error) {
          const { name, code } = error as Error & { code: string };
          if (name !== 'TransientError' && name !== 'RateLimitError') throw error;
          codes.add(code);
        }
      }
    };
    const children = await childrenOf(fetchOf(chain, 'troops', server.url), { gate });
    expect(children.map(({ id }) => [id])).toEqual(
      Array.from({ length: 40 }, (_, index) => server.tree().idsAt([index])),
    );
    expect([...codes].toSorted()).toEqual(['HTTP_429', 'HTTP_500', 'HTTP_502', 'HTTP_503', 'NETWORK']);
    expect(auditCalls(server.calls()).repeats).toEqual([]);
  });
});
