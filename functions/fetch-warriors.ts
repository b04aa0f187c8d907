/** troops/<run>/<troop>.json → amazon_warriors/<run>/<troop>/<warrior>.json */
import { fetchFunction } from '../shared/lambda/fetch-function.ts';

export const handler = fetchFunction('warriors', {
  many: ({ ids: [troop] }, hermes) => hermes.warriors(troop),
});
