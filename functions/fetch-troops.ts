/** seeds/<run>.json → troops/<run>/<troop>.json */
import { parseSeed, seedTroops } from '../shared/core/seed.ts';
import { fetchFunction } from '../shared/runtime/fetch-function.ts';

export const handler = fetchFunction('troops', {
  many: (item, hermes) => seedTroops(parseSeed(item.body), hermes.troops()),
});
