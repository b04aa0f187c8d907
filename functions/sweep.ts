/** What AWS lost → its level's function again; each run's report; the success marker. Input and output: the README's "Sweep". */
import source from '#source';
import { sweepFunction } from '../shared/lambda/sweep-function.ts';

export const handler = sweepFunction(source);
