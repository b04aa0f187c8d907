/** How runs stand. Input and output: see the README's "Status". */
import source from '#source';
import { statusFunction } from '../shared/lambda/status-function.ts';

export const handler = statusFunction(source);
