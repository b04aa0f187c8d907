/** An item of a level → its children, or its result. LEVEL in the environment says which level: one function for each. */
import source from '#source';
import { fetchFunction } from '../shared/lambda/fetch-function.ts';

export const handler = fetchFunction(source);
