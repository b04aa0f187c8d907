/**
 * A fake of a source's API: `sources/<name>/fake/index.ts` exports one as its default, and `npm start`, `npm run local` and
 * `npm run try` use it when they are given no `--url`. A source does not need one.
 */
import type { Given, OptionTable } from './terminal/options.ts';

export type FakeApi<Options extends OptionTable = OptionTable> = {
  /** In help and messages. */
  name: string;
  /** Its options on the command line, added to those of the command. */
  options: Options;
  /**
   * The options that decide which data it serves, with their defaults. A data folder keeps them, so that a run that is
   * started again on it is fetched from the same data.
   */
  data: { readonly [Name in keyof Options]?: number | string | boolean };
  /**
   * Starts it on 127.0.0.1, in a thread or a process of its own, so that it and the functions do not wait for each other.
   * @param given options of `data` are always there
   */
  start(given: Given<Options>): Promise<RunningFake>;
};

export type RunningFake = {
  /** For the parameter apiUrl. */
  url: string;
  /** The text of the secret that it asks for; '' for none. */
  secret: string;
  /** Calls that it has received. */
  stats(): Promise<{ calls: number }>;
  /** Cuts all connections, and resolves when it has ended. */
  stop(): Promise<void>;
};
