import { mkdirSync, rmSync } from 'node:fs';
import { open, type FileHandle } from 'node:fs/promises';
import { join } from 'node:path';
import { CodedError, codeOf, messageOf } from '#base/errors';
import type { PayloadFile } from '#artifact';
import type { Ended } from '../child.ts';
import { flushFolder } from '#base/durable';
import { makeFifo, openForReader, removeFifo, writeAll } from './fifo.ts';
import type { PayloadHandler } from './handler.ts';
import { UpdateModule } from './module.ts';

/** A program of the device, payload included. */
export class StreamedModule extends UpdateModule implements PayloadHandler {
  receive(files: AsyncIterable<PayloadFile>, signal: AbortSignal): Promise<void> {
    return streamPayload(this, files, signal);
  }
}

/**
 * The download state (`update-client.md` §4.3): each payload file goes through a FIFO to the module while it arrives,
 * or into `files/` if the module ends with 0 and never asked for a stream. Throws when module or artifact fail; all
 * files are verified when it returns.
 */
export async function streamPayload(
  module: UpdateModule,
  files: AsyncIterable<PayloadFile>,
  signal: AbortSignal,
): Promise<void> {
  const sizes = (await module.ask('ProvidePayloadFileSizes', ['Yes', 'No'], signal)) === 'Yes';
  const state = sizes ? 'DownloadWithFileSizes' : 'Download';
  const next = join(module.tree, 'stream-next');
  const streams = join(module.tree, 'streams');
  // Ends the module when the artifact fails, or when the client must stop.
  const failure = new AbortController();
  const running = AbortSignal.any([signal, failure.signal]);
  mkdirSync(streams, { recursive: true, mode: 0o700 });
  await makeFifo(next);
  const ended = module.start(state, running);
  ended.catch(() => undefined); // awaited below, after the writer
  try {
    const reader = await openForReader(
      next,
      ended.catch(() => undefined),
    );
    if (reader) {
      await feed({ module, files, next, streams, sizes, first: reader, ended });
      module.succeeded(state, await ended);
    } else {
      module.succeeded(state, await ended);
      await clearStreams(next, streams);
      await storeFiles(join(module.tree, 'files'), files);
    }
  } catch (error) {
    signal.throwIfAborted();
    failure.abort();
    await ended.catch(() => undefined);
    throw error;
  } finally {
    await clearStreams(next, streams);
  }
}

interface Feed {
  readonly module: UpdateModule;
  readonly files: AsyncIterable<PayloadFile>;
  readonly next: string;
  readonly streams: string;
  readonly sizes: boolean;
  /** `stream-next`, opened by the module for the first time. */
  readonly first: FileHandle;
  readonly ended: Promise<Ended>;
}

async function feed({ module, files, next, streams, sizes, first, ended }: Feed): Promise<void> {
  const gone = ended.catch(() => undefined);
  let ask: FileHandle | undefined = first;
  try {
    for await (const file of files) {
      const fifo = join(streams, confined(file.name));
      await makeFifo(fifo);
      ask ??= await openForReader(next, gone);
      if (!ask) throw await unfinished(module, ended);
      await tell(ask, `streams/${file.name}${sizes ? ` ${file.size}` : ''}\n`);
      await ask.close();
      ask = undefined;
      const stream = await openForReader(fifo, gone);
      if (!stream) throw await unfinished(module, ended);
      try {
        for await (const chunk of file.content) await writeAll(stream, chunk);
      } catch (error) {
        if (codeOf(error) !== 'EPIPE') throw error;
        throw new CodedError('module', `the update module stopped reading ${file.name} before its end`, {
          cause: error,
        });
      } finally {
        await stream.close();
      }
      await removeFifo(fifo);
    }
    // The empty read that says: there are no more files.
    ask ??= await openForReader(next, gone);
    if (!ask) throw await unfinished(module, ended);
  } finally {
    await ask?.close();
  }
}

async function tell(handle: FileHandle, line: string): Promise<void> {
  try {
    await writeAll(handle, Buffer.from(line));
  } catch (error) {
    throw new CodedError('module', `the update module stopped reading stream-next: ${messageOf(error)}`, {
      cause: error,
    });
  }
}

/** Why a module that has ended in the middle of the files is a failure, even with exit code 0. */
async function unfinished(module: UpdateModule, ended: Promise<Ended>): Promise<Error> {
  try {
    module.succeeded('Download', await ended);
  } catch (error) {
    return error as Error;
  }
  return new CodedError('module', 'the update module started downloading, but did not finish');
}

async function storeFiles(folder: string, files: AsyncIterable<PayloadFile>): Promise<void> {
  mkdirSync(folder, { recursive: true, mode: 0o700 });
  for await (const file of files) {
    const handle = await open(join(folder, confined(file.name)), 'wx', 0o600);
    try {
      for await (const chunk of file.content) await writeAll(handle, chunk);
      await handle.sync();
    } finally {
      await handle.close();
    }
  }
  flushFolder(folder);
}

/** The reader has refused such names already; here they become paths. */
function confined(name: string): string {
  if (name === '' || name === '.' || name === '..' || /[/\0\n]/.test(name))
    throw new CodedError('module', `payload file name leads out of its folder: ${name.slice(0, 100)}`);
  return name;
}

async function clearStreams(next: string, streams: string): Promise<void> {
  await removeFifo(next);
  rmSync(streams, { recursive: true, force: true });
}
