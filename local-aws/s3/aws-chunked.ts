/**
 * Taking the `aws-chunked` coding off a body: `size[;chunk-signature=...]\r\n data\r\n ... 0\r\n trailers \r\n`. A body
 * cut short is refused, and one whose length is not what `x-amz-decoded-content-length` says. Signatures are not
 * checked: locally there is no secret to check them with.
 */
import { S3Error } from './errors.ts';

export interface Decoded {
  body: Uint8Array;
  /** Names in lower case. */
  trailers: Record<string, string>;
}

const cr = 13;

export function isAwsChunked(headers: Readonly<Record<string, string>>): boolean {
  return headers['x-amz-content-sha256']?.startsWith('STREAMING-') === true;
}

export function decodeAwsChunked(coded: Uint8Array, decodedSizeBytes: number | undefined): Decoded {
  const bytes = Buffer.from(coded.buffer, coded.byteOffset, coded.byteLength);
  const chunks: Uint8Array[] = [];
  let at = 0;
  const readLine = (): string => {
    const end = bytes.indexOf('\r\n', at);
    if (end === -1) throw incompleteBody('a line of the chunked body does not end');
    const line = bytes.toString('latin1', at, end);
    at = end + 2;
    return line;
  };
  for (;;) {
    const [size = ''] = readLine().split(';', 1);
    if (!/^[0-9a-f]{1,8}$/i.test(size)) throw incompleteBody(`"${size}" is not the size of a chunk`);
    const sizeBytes = Number.parseInt(size, 16);
    if (sizeBytes === 0) break;
    if (at + sizeBytes + 2 > bytes.length || bytes[at + sizeBytes] !== cr) {
      throw incompleteBody('a chunk is shorter or longer than it says');
    }
    chunks.push(bytes.subarray(at, at + sizeBytes));
    at += sizeBytes + 2;
  }
  const trailers: Record<string, string> = {};
  while (at < bytes.length) {
    const line = readLine();
    const colon = line.indexOf(':');
    if (colon > 0) trailers[line.slice(0, colon).trim().toLowerCase()] = line.slice(colon + 1).trim();
  }
  const [only] = chunks;
  const body = chunks.length === 1 && only !== undefined ? only : Buffer.concat(chunks);
  if (decodedSizeBytes !== undefined && decodedSizeBytes !== body.byteLength) {
    throw incompleteBody(`${decodedSizeBytes} bytes were announced and ${body.byteLength} sent`);
  }
  return { body, trailers };
}

function incompleteBody(reason: string): S3Error {
  return new S3Error(
    'IncompleteBody',
    `The request body terminated unexpectedly or is not what its headers say: ${reason}`,
  );
}
