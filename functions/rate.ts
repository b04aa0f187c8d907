/** The rate of calls to the API: takes up what is set in control/rate.json, and gives back items that had to wait. */
import source from '#source';
import { rateFunction } from '../shared/lambda/rate-function.ts';

export const handler = rateFunction(source);
