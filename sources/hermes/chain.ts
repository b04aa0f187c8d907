/** Hermes: troops, the warriors of a troop, the data groups of a warrior, and the data of each group. */
import { bearer, cursor, defineChain, list, result } from '../../shared/source/define.ts';

// Ids go into the query: in a path, an id such as `..` would lead elsewhere.
export default defineChain({
  api: { auth: bearer() },
  levels: [
    list('troops', { id: 'troop', path: 'troops', items: 'items', next: cursor('next') }),
    list('warriors', {
      prefix: 'amazon_warriors',
      id: 'warrior',
      path: 'warriors',
      query: { troop: '{troop}' },
      items: 'items',
      next: cursor('next'),
    }),
    list('data_groups', {
      id: 'group',
      path: 'data-groups',
      query: { troop: '{troop}', warrior: '{warrior}' },
      items: 'items',
      next: cursor('next'),
    }),
    result('data', {
      path: 'data',
      query: { troop: '{troop}', warrior: '{warrior}', group: '{group}' },
    }),
  ],
});
