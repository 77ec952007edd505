import { setImmediate as turn } from 'node:timers/promises';
import { codeOf, messageOf } from '#base/errors';
import { ByteReader } from './byte-reader.ts';
import { ArtifactError } from './errors.ts';
import { throughProgram } from './filter-program.ts';

/** Pieces of output between two turns of the event loop: decoding is work of the main thread, some 50 MiB/s. */
const piecesPerTurn = 8;
/** Input at a time: what one piece expands to is worked off before anybody else gets a turn. */
const inputPiece = 64 * 1024;

/** The dictionary that the format's writers use, and the most that is taken. */
const dictionary = '64 MiB';

/** Decompresses xz; `member` names it in errors. */
export async function* unxz(
  source: AsyncIterable<Uint8Array>,
  member: string,
): AsyncGenerator<Uint8Array, void, undefined> {
  const bytes = new ByteReader(source);
  try {
    const head = await bytes.upTo(headLength);
    yield* head[checkType] === sha256 ? byProgram(head, bytes, member) : byLibrary(head, bytes, member);
  } finally {
    bytes.close();
  }
}

/** The head of an xz stream, and where in it the kind of checksum is named. */
const headLength = 12;
const checkType = 7;
const sha256 = 10;

async function* restOf(head: Uint8Array, bytes: ByteReader): AsyncGenerator<Uint8Array, void, undefined> {
  if (head.length) yield head;
  for (let chunk; (chunk = await bytes.some(inputPiece));) yield chunk;
}

/** The library knows no SHA-256. No tool of the ecosystem uses it, so needing a program for it hurts nobody. */
async function* byProgram(head: Uint8Array, bytes: ByteReader, member: string) {
  try {
    yield* throughProgram(restOf(head, bytes), 'xz', ['--decompress', '--stdout', '--memlimit-decompress=70MiB']);
  } catch (error) {
    const code = codeOf(error);
    if (code === 'filter_missing')
      throw new ArtifactError('unsupported-feature', `${member}: xz with SHA-256 needs the program xz`, {
        cause: error,
      });
    if (code !== 'filter_failed') throw error;
    throw new ArtifactError('compression-corrupt', `${member}: does not decompress: ${messageOf(error)}`, {
      cause: error,
    });
  }
}

async function* byLibrary(head: Uint8Array, bytes: ByteReader, member: string) {
  const source = restOf(head, bytes);
  const failure: { error?: unknown } = {};
  const input = new ReadableStream<Uint8Array>({
    async pull(controller) {
      try {
        const { done, value } = await source.next();
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
    throw failure.error ?? damage(error, member);
  }
  if (!(await source.next()).done)
    throw new ArtifactError('compression-corrupt', `${member}: data after the end of the compressed stream`);
}

/** The library's errors carry the number that the decoder inside it gave. */
function damage(cause: unknown, member: string): ArtifactError {
  const number = /error code (\d+)/.exec(messageOf(cause))?.[1];
  if (number === '3' || number === '4')
    return new ArtifactError('limit-exceeded', `${member}: needs a dictionary of more than ${dictionary}`, { cause });
  if (number === '8') return new ArtifactError('truncated', `${member}: the compressed stream stops early`, { cause });
  const why = number === '6' ? 'uses a filter that is not supported' : 'does not decompress';
  return new ArtifactError('compression-corrupt', `${member}: ${why}`, { cause });
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
