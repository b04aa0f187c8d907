/** What proves to the API who asks, and where its secret comes from. `auth.ts` makes it. */
import type { CallGate } from '../engine/ports.ts';
import type { Credentials } from './secret-text.ts';

export type Authenticator = {
  /** Before a call, outside its gate: gets what has to be fetched first. */
  prepare(gate: CallGate): Promise<void>;
  /** For one call, so that a retry takes up a secret that was changed. */
  credentials(): Promise<Credentials>;
  /**
   * The API answered 401 to a call with these.
   * @param isFresh they were fetched after another 401
   * @param refusal says what was asked and answered
   * @returns the error; or `stale` when a call with new ones may succeed
   */
  refused(used: Credentials, isFresh: boolean, refusal: string): Promise<Error | 'stale'>;
};

export type SecretSource = {
  /** None for an API that asks for none: then nothing is sent. */
  secret?: (() => Promise<string>) | undefined;
  /** The API refused the secret, so that `secret` should read it anew next time. */
  onSecretRefused?: (() => void) | undefined;
};
