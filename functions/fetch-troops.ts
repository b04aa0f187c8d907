/** seeds/<run>.json → troops/<run>/<troop>.json */
import { parseSeed, seedTroops } from '../shared/engine/runs/seed.ts';
import { fetchFunction } from '../shared/lambda/fetch-function.ts';

export const handler = fetchFunction('troops', {
  many: (item, hermes) => seedTroops(parseSeed(item.body), hermes.troops()),
});
