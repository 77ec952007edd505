import { ReadableStream } from 'node:stream/web';
import { setImmediate as turn } from 'node:timers/promises';
import { messageOf } from '#base/errors';
import { ArtifactError } from './errors.ts';

/** Pieces of output between two turns of the event loop: decoding is work of the main thread, some 50 MiB/s. */
const piecesPerTurn = 8;

/** Decompresses xz; `member` names it in errors. */
export async function* unxz(
  source: AsyncIterable<Uint8Array>,
  member: string,
): AsyncGenerator<Uint8Array, void, undefined> {
  const iterator = source[Symbol.asyncIterator]();
  const failure: { error?: unknown } = {};
  const input = new ReadableStream<Uint8Array>({
    async pull(controller) {
      try {
        const { done, value } = await iterator.next();
        if (done) controller.close();
        else controller.enqueue(value);
      } catch (error) {
        failure.error = error;
        throw error;
      }
    },
  });
  const decoded = await decoderFor(input);
  try {
    let pieces = 0;
    for await (const piece of decoded) {
      yield piece;
      if (++pieces % piecesPerTurn === 0) await turn();
    }
  } catch (error) {
    if (failure.error !== undefined) throw failure.error;
    throw new ArtifactError('compression-corrupt', `${member}: does not decompress: ${messageOf(error)}`, {
      cause: error,
    });
  }
  if (!(await iterator.next()).done)
    throw new ArtifactError('compression-corrupt', `${member}: data after the end of the compressed stream`);
}

/** What the library keeps for all its streams together. It is not part of its types. */
interface Shared {
  _moduleInstance?: unknown;
  _moduleInstancePromise?: unknown;
  _contextMutex?: { acquire(): Promise<void>; release(): void };
}

/**
 * A decoder of its own. The library has one WASM memory, which never shrinks, and lets one stream at a time use it: an
 * upload that stalls would stall all others. Loaded on need, since most artifacts are not in xz.
 */
async function decoderFor(input: ReadableStream<Uint8Array>): Promise<ReadableStream<Uint8Array>> {
  const loaded = (await import('xz-decompress')) as typeof import('xz-decompress') & {
    default?: typeof import('xz-decompress');
  };
  // A CommonJS package: Node puts its exports into `default`, bundlers and vitest lay them open.
  const { XzReadableStream } = loaded.default ?? loaded;
  const shared = XzReadableStream as unknown as Shared;
  delete shared._moduleInstance;
  delete shared._moduleInstancePromise;
  shared._contextMutex = { acquire: () => Promise.resolve(), release: () => undefined };
  return new XzReadableStream(input);
}
