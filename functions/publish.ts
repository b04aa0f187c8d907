/** A run's success marker → pieces of its results, each of which becomes a part of a table. */
import source from '#source';
import { publishFunction } from '../shared/lambda/publish-function.ts';

export const handler = publishFunction(source);
