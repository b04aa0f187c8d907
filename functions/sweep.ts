/** What AWS lost → its level's function again; each run's report; the success marker. Input and output: the README's "Sweep". */
import { sweepFunction } from '../shared/lambda/sweep-function.ts';

export const handler = sweepFunction();
