/** What it means to pause, resume or cancel a run, for a person who is asked: on the page and in a terminal. */

export const wishWords = {
  pause:
    'No call is made for this run any more, within ten seconds; other runs have its share of the rate. Its items wait, which counts as no attempt.',
  resume:
    'Calls are made for this run again, within ten seconds. Its items that wait are requeued. What a cancel has ended is brought back by the next sweep.',
  cancel:
    'No call is made for this run any more, within ten seconds, and nothing more is done for its items. What was written stays, and so do its dead letters. It can be resumed.',
} as const;

export type RunWish = keyof typeof wishWords;
