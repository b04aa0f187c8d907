/** Decompresses a body strictly: one that ends before its compressed stream does was cut on the way. */
import { promisify } from 'node:util';
import zlib from 'node:zlib';
import { ItemError, TransientError } from '../engine/errors.ts';

/** What the client asks for. */
export const acceptedCodings = 'gzip, deflate, br';

type Decompress = (bytes: Uint8Array, options: { maxOutputLength: number; isWhole: boolean }) => Promise<Uint8Array>;

const gunzip = promisify(zlib.gunzip);
const inflate = promisify(zlib.inflate);
const inflateRaw = promisify(zlib.inflateRaw);
const brotli = promisify(zlib.brotliDecompress);

function zlibOptions({ maxOutputLength, isWhole }: { maxOutputLength: number; isWhole: boolean }): zlib.ZlibOptions {
  return { maxOutputLength, ...(!isWhole && { finishFlush: zlib.constants.Z_SYNC_FLUSH }) };
}

const decompressions: Readonly<Record<string, Decompress>> = {
  gzip: (bytes, options) => gunzip(bytes, zlibOptions(options)),
  'x-gzip': (bytes, options) => gunzip(bytes, zlibOptions(options)),
  // Some servers send the raw stream under this name. The low bits of a zlib header's first byte are 8.
  deflate: (bytes, options) =>
    ((bytes[0] ?? 0) & 0x0f) === 8 ? inflate(bytes, zlibOptions(options)) : inflateRaw(bytes, zlibOptions(options)),
  br: (bytes, { maxOutputLength, isWhole }) =>
    brotli(bytes, {
      maxOutputLength,
      ...(!isWhole && { finishFlush: zlib.constants.BROTLI_OPERATION_FLUSH }),
    }),
};

/** @returns the codings in the order in which they were applied */
export function codingsOf(header: string | undefined): string[] {
  return (header ?? '')
    .split(',')
    .map((name) => name.trim().toLowerCase())
    .filter((name) => name !== '' && name !== 'identity');
}

type Body = { bytes: Uint8Array; isTooLarge: boolean };

/**
 * @throws TransientError `CUT_SHORT`, `BAD_ENCODING`; ItemError `BAD_ENCODING` for a coding that was not asked for
 */
export async function decodeBody(
  body: Body,
  options: { codings: readonly string[]; isWhole: boolean; mostBytes: number; call: string },
): Promise<Body> {
  const { codings, isWhole, mostBytes, call } = options;
  if (codings.length === 0 || body.isTooLarge || (body.bytes.length === 0 && !isWhole)) return body;
  let { bytes } = body;
  for (const coding of codings.toReversed()) {
    const decompress = Object.hasOwn(decompressions, coding) ? decompressions[coding] : undefined;
    if (decompress === undefined) {
      if (!isWhole) return { bytes: new Uint8Array(), isTooLarge: false };
      const message = `The answer to ${call} is encoded as ${JSON.stringify(coding)}; only ${acceptedCodings} were asked for.`;
      throw new ItemError('BAD_ENCODING', message);
    }
    try {
      bytes = await decompress(bytes, { maxOutputLength: mostBytes, isWhole });
    } catch (error) {
      const { code, message } = error as NodeJS.ErrnoException;
      if (code === 'ERR_BUFFER_TOO_LARGE') return { bytes: new Uint8Array(), isTooLarge: true };
      if (!isWhole) return { bytes: new Uint8Array(), isTooLarge: false };
      if (code === 'Z_BUF_ERROR')
        throw new TransientError('CUT_SHORT', `The answer to ${call} ends before its ${coding} stream does.`);
      throw new TransientError('BAD_ENCODING', `The answer to ${call} is not ${coding}, as it says: ${message}.`);
    }
  }
  return { bytes, isTooLarge: false };
}
