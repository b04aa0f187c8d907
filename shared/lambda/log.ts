/** The core's log port on Powertools' logger. */
import type { Logger } from '@aws-lambda-powertools/logger';
import type { Log } from '../engine/ports.ts';

/**
 * `level` is the severity in Powertools' lines, a reserved key; the level of an item is `itemLevel` there.
 */
export function logTo(logger: Logger): Log {
  const write =
    (severity: 'info' | 'warn' | 'error'): Log['info'] =>
    (message, { level, ...fields } = {}) =>
      logger[severity](message, { ...(level !== undefined && { itemLevel: level }), ...fields });
  return { info: write('info'), warn: write('warn'), error: write('error') };
}
