/**
 * S3's checksums: computing them, and those of a multipart object from its parts. Other algorithms (xxHash and the
 * like) are refused: a checksum that was never verified is worth nothing.
 */
import { hash } from 'node:crypto';
import { crc32 } from 'node:zlib';

export const checksumAlgorithms = ['CRC32', 'CRC32C', 'CRC64NVME', 'SHA1', 'SHA256'] as const;
export type ChecksumAlgorithm = (typeof checksumAlgorithms)[number];
export type ChecksumType = 'FULL_OBJECT' | 'COMPOSITE';

/** `value` is base64 as in the header `x-amz-checksum-*`; that of a composite ends in `-` and the number of parts. */
export interface Checksum {
  algorithm: ChecksumAlgorithm;
  value: string;
  type: ChecksumType;
}

export function checksumHeader(algorithm: ChecksumAlgorithm): string {
  return `x-amz-checksum-${algorithm.toLowerCase()}`;
}

export function checksumAlgorithm(name: string): ChecksumAlgorithm | undefined {
  return checksumAlgorithms.find((algorithm) => algorithm === name.toUpperCase());
}

export function computeChecksum(algorithm: ChecksumAlgorithm, bytes: Uint8Array): string {
  switch (algorithm) {
    case 'CRC32':
      return base64OfUint32(crc32(bytes));
    case 'CRC32C':
      return base64OfUint32(crc32c(bytes));
    case 'CRC64NVME':
      return crc64nvme(bytes);
    case 'SHA1':
      return hash('sha1', bytes, 'base64');
    case 'SHA256':
      return hash('sha256', bytes, 'base64');
  }
}

/** The checksum of the parts' checksums ("Checking object integrity": composite), not of the object's bytes. */
export function compositeChecksum(algorithm: ChecksumAlgorithm, partValues: readonly string[]): string {
  const joined = Buffer.concat(partValues.map((value) => Buffer.from(value, 'base64')));
  return `${computeChecksum(algorithm, joined)}-${partValues.length}`;
}

/** Whether that text can be a checksum of that algorithm at all; S3 tells a malformed one from a wrong one. */
export function isWellFormed(algorithm: ChecksumAlgorithm, value: string): boolean {
  const sizeBytes = { CRC32: 4, CRC32C: 4, CRC64NVME: 8, SHA1: 20, SHA256: 32 }[algorithm];
  const decoded = Buffer.from(value, 'base64');
  return decoded.length === sizeBytes && decoded.toString('base64') === value;
}

function base64OfUint32(value: number): string {
  const bytes = Buffer.allocUnsafe(4);
  bytes.writeUInt32BE(value >>> 0);
  return bytes.toString('base64');
}

let crc32cTable: Uint32Array | undefined;

function crc32c(bytes: Uint8Array): number {
  crc32cTable ??= Uint32Array.from({ length: 256 }, (_, byte) => Number(tableEntry(byte, 0x82f63b78n)));
  let crc = 0xffffffff;
  for (const byte of bytes) crc = (crc >>> 8) ^ (crc32cTable[(crc ^ byte) & 0xff] ?? 0);
  return (crc ^ 0xffffffff) >>> 0;
}

let crc64Tables: { high: Uint32Array; low: Uint32Array } | undefined;

/** In two halves: a BigInt for each byte would make a 9 MB object take seconds. */
function crc64nvme(bytes: Uint8Array): string {
  crc64Tables ??= makeCrc64Tables();
  const { high: highTable, low: lowTable } = crc64Tables;
  let high = 0xffffffff;
  let low = 0xffffffff;
  for (const byte of bytes) {
    const entry = (low ^ byte) & 0xff;
    low = ((low >>> 8) | (high << 24)) ^ (lowTable[entry] ?? 0);
    high = (high >>> 8) ^ (highTable[entry] ?? 0);
  }
  const value = Buffer.allocUnsafe(8);
  value.writeUInt32BE((high ^ 0xffffffff) >>> 0, 0);
  value.writeUInt32BE((low ^ 0xffffffff) >>> 0, 4);
  return value.toString('base64');
}

function makeCrc64Tables(): { high: Uint32Array; low: Uint32Array } {
  const entries = Array.from({ length: 256 }, (_, byte) => tableEntry(byte, 0x9a6c9329ac4bc9b5n));
  return {
    high: Uint32Array.from(entries, (entry) => Number(entry >> 32n)),
    low: Uint32Array.from(entries, (entry) => Number(entry & 0xffffffffn)),
  };
}

function tableEntry(byte: number, reflectedPolynomial: bigint): bigint {
  let entry = BigInt(byte);
  for (let bit = 0; bit < 8; bit++) entry = entry & 1n ? (entry >> 1n) ^ reflectedPolynomial : entry >> 1n;
  return entry;
}
