/** How runs stand. Input and output: see the README's "Status". */
import { statusFunction } from '../shared/runtime/status-function.ts';

export const handler = statusFunction();
