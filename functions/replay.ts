/** Dead letters → their level's function again. Input and output: see the README's "Replay". */
import { replayFunction } from '../shared/lambda/replay-function.ts';

export const handler = replayFunction();
