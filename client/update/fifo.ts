import { closeSync, constants, openSync } from 'node:fs';
import { open, rm, type FileHandle } from 'node:fs/promises';
import { CodedError, codeOf } from '#base/errors';
import { runChild } from '../child.ts';

/** Makes FIFOs; Node has no call for it. */
export async function makeFifo(file: string): Promise<void> {
  const ended = await runChild({ file: 'mkfifo', args: ['-m', '0600', file], timeout: 10_000 });
  if (ended.code !== 0)
    throw new CodedError('fifo', `cannot make FIFO ${file}: ${ended.error?.message ?? ended.output}`);
}

/** Linux: a handle of the file's place, neither for reading nor for writing. Node has no name for it. */
const O_PATH = 0o10000000;

/**
 * Opens a FIFO for writing as soon as somebody reads it. Undefined once `gone` settles first: nobody will ever read.
 * The wait is a blocked open in Node's thread pool, of which there is at most one at a time.
 */
export async function openForReader(file: string, gone: Promise<unknown>): Promise<FileHandle | undefined> {
  // The FIFO itself: its name a module may delete at any moment, before we open it or while we wait.
  const anchor = anchorOf(file);
  if (anchor === undefined) {
    await gone;
    return undefined;
  }
  const fifo = `/proc/self/fd/${anchor}`;
  let waiting = true;
  let over = false;
  const opening = open(fifo, constants.O_WRONLY);
  const release = gone.then(async () => {
    if (!waiting) return;
    over = true;
    // A reader of our own lets the blocked open go. It does not block, and must not wait for a thread of the pool:
    // several blocked opens could have taken them all.
    const reader = openSync(fifo, constants.O_RDONLY | constants.O_NONBLOCK);
    await opening.catch(() => undefined);
    closeSync(reader);
  });
  try {
    const handle = await opening;
    if (!over) return handle;
    await handle.close();
    await release;
    return undefined;
  } finally {
    waiting = false;
    closeSync(anchor);
  }
}

/** Undefined: the name is gone already. */
function anchorOf(file: string): number | undefined {
  try {
    return openSync(file, O_PATH);
  } catch (error) {
    if (codeOf(error) === 'ENOENT') return undefined;
    throw error;
  }
}

/** Writes all of it, waiting for the reader. Rejects with EPIPE when that has gone. */
export async function writeAll(handle: FileHandle, bytes: Uint8Array): Promise<void> {
  for (let at = 0; at < bytes.length;) at += (await handle.write(bytes, at)).bytesWritten;
}

export const removeFifo = (file: string): Promise<void> => rm(file, { force: true });
