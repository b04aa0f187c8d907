/** data_groups/<run>/<troop>/<warrior>/<group>.json → data/<run>/<troop>/<warrior>/<group>.json */
import { fetchFunction } from '../shared/lambda/fetch-function.ts';

export const handler = fetchFunction('data', {
  one: ({ ids: [troop, warrior, group] }, hermes) => hermes.data(troop, warrior, group),
});
