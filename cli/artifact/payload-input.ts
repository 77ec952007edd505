import { createReadStream, createWriteStream } from 'node:fs';
import { stat } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { pipeline } from 'node:stream/promises';
import { fileSource, type PayloadSource } from '#artifact';
import { misuse } from './exit.ts';
import { input } from './inputs.ts';
import type { Terminal } from './progress.ts';

/**
 * A payload file from the command line. A pipe, a device or standard input (`-`) is first copied into `scratch`, since
 * its size stands in front of its content.
 */
export async function payloadInput(
  path: string,
  scratch: string,
  { input: standard }: Terminal,
): Promise<PayloadSource> {
  if (path.startsWith('ssh://'))
    throw misuse(`${path}: snapshots of a running device are not supported, give an image file`);
  if (path === '-') return spooled(standard, 'stdin', scratch);
  const found = await input(path, () => stat(path));
  if (found.isDirectory()) throw misuse(`${path}: is a folder, not a file`);
  if (found.isFile()) return input(path, () => fileSource(path));
  return input(path, () => spooled(createReadStream(path), basename(path), scratch));
}

async function spooled(source: NodeJS.ReadableStream, name: string, scratch: string): Promise<PayloadSource> {
  const copy = join(scratch, name);
  await pipeline(source, createWriteStream(copy, { mode: 0o600 }));
  return fileSource(copy);
}
