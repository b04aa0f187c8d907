/** A secret text in Secrets Manager, read at run time, so that it is in no template, state file or variable. */
import { GetSecretValueCommand, type SecretsManagerClient } from '@aws-sdk/client-secrets-manager';
import { TransientError } from '../engine/errors.ts';
import type { Clock } from '../engine/ports.ts';

export type Secret = {
  /** @throws TransientError `SECRET_UNREADABLE`, naming the secret, never its value */
  read(): Promise<string>;
  /** The value was refused: read it again next time, since somebody may have changed it. */
  forget(): void;
};

/** Keeps the value for `maxAgeMs`, so that a rotated secret is taken up without a deployment. */
export function createSecret(client: SecretsManagerClient, secretId: string, maxAgeMs: number, clock: Clock): Secret {
  let kept: { value: string; readAtMs: number } | undefined;
  return {
    async read() {
      if (kept !== undefined && clock.now() - kept.readAtMs < maxAgeMs) return kept.value;
      try {
        const { SecretString: value } = await client.send(new GetSecretValueCommand({ SecretId: secretId }));
        if (value === undefined || value.trim() === '') throw new Error('It has no text.');
        kept = { value: value.trim(), readAtMs: clock.now() };
        return kept.value;
      } catch (error) {
        const why = error instanceof Error ? `${error.name}: ${error.message}` : String(error);
        throw new TransientError('SECRET_UNREADABLE', `The secret ${secretId} can not be read: ${why}`, {
          cause: error,
        });
      }
    },
    forget() {
      kept = undefined;
    },
  };
}
