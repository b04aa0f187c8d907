/** Dead letters → their level's function again. Input and output: see the README's "Replay". */
import source from '#source';
import { replayFunction } from '../shared/lambda/replay-function.ts';

export const handler = replayFunction(source);
