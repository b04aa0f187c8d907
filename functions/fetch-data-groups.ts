/** amazon_warriors/<run>/<troop>/<warrior>.json → data_groups/<run>/<troop>/<warrior>/<group>.json */
import { fetchFunction } from '../shared/lambda/fetch-function.ts';

export const handler = fetchFunction('data_groups', {
  many: ({ ids: [troop, warrior] }, hermes) => hermes.dataGroups(troop, warrior),
});
