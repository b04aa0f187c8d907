/** Unpacks an artifact as Lambda does. An entry that would land outside of the folder is refused. */
import { mkdir, writeFile } from 'node:fs/promises';
import { dirname, resolve, sep } from 'node:path';
import { unzipSync } from 'fflate';
import { PackageError } from './errors.ts';

/** https://docs.aws.amazon.com/lambda/latest/dg/gettingstarted-limits.html : 250 MB unzipped */
const maxUnzippedBytes = 250 * 1024 * 1024;

/** @throws PackageError `BAD_ARTIFACT` for what is no zip, escapes the folder, or is larger than Lambda takes */
export async function unzipTo(zip: Uint8Array, folder: string, name: string): Promise<void> {
  let sizeBytes = 0;
  const refuse = (why: string, cause?: unknown): never => {
    throw new PackageError('BAD_ARTIFACT', `The artifact ${name} ${why}.`, { cause });
  };
  let entries: Record<string, Uint8Array>;
  try {
    entries = unzipSync(zip, {
      // Looked at before anything is unpacked, so that a small file can not fill the memory.
      filter: (entry) => {
        sizeBytes += entry.originalSize;
        if (sizeBytes > maxUnzippedBytes) refuse('has more than the 250 MB unzipped that Lambda takes');
        return true;
      },
    });
  } catch (error) {
    if (error instanceof PackageError) throw error;
    return refuse('is not a readable zip file', error);
  }
  const root = resolve(folder);
  const files = Object.entries(entries).map(([path, bytes]) => {
    const target = resolve(root, path);
    if (target !== root && !target.startsWith(root + sep)) refuse(`holds the entry ${path}, outside of its folder`);
    return { isFolder: path.endsWith('/'), target, bytes };
  });
  for (const { isFolder, target, bytes } of files) {
    await mkdir(isFolder ? target : dirname(target), { recursive: true });
    if (!isFolder) await writeFile(target, bytes);
  }
}
