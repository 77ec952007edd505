import { pipeline, type Transform } from 'node:stream';
import { createGunzip, createZstdDecompress } from 'node:zlib';
import { codeOf, messageOf } from '#base/errors';
import { ArtifactError } from './errors.ts';
import type { Compression } from './names.ts';
import { release } from './release.ts';
import { unxz } from './xz-decoder.ts';

/**
 * Decompresses a member to its very end: a stream that stops early, is damaged in its trailer or is followed by
 * anything that is no further stream of the kind is refused (`artifact-format.md` §12). `member` names it in errors. With
 * `transient` a chunk is gone when the next one is asked for.
 */
export function decode(
  compression: Compression,
  source: AsyncIterable<Uint8Array>,
  member: string,
  transient = false,
): AsyncIterable<Uint8Array> {
  if (compression === 'gzip') return through(createGunzip({ chunkSize }), source, member, transient);
  if (compression === 'zstd') return through(createZstdDecompress({ chunkSize }), source, member, transient);
  return compression === 'lzma' ? unxz(source, member) : source;
}

const chunkSize = 128 * 1024;

async function* through(
  decoder: Transform & { readonly bytesWritten: number },
  source: AsyncIterable<Uint8Array>,
  member: string,
  transient: boolean,
): AsyncGenerator<Uint8Array, void, undefined> {
  let fed = 0;
  let ended = false;
  async function* counted() {
    for await (const chunk of source) {
      fed += chunk.length;
      yield chunk;
    }
    ended = true;
  }
  // What goes wrong reaches the loop below, as an error of the decoder.
  pipeline(counted(), decoder, () => undefined);
  try {
    for await (const chunk of decoder as AsyncIterable<Uint8Array>) {
      yield chunk;
      if (transient) release(chunk);
    }
  } catch (error) {
    throw damage(error, member);
  } finally {
    decoder.destroy();
  }
  // Node ends the output, and says nothing, when what follows a stream does not look like another one.
  if (!ended || decoder.bytesWritten !== fed)
    throw new ArtifactError('compression-corrupt', `${member}: data after the end of the compressed stream`);
}

function damage(error: unknown, member: string): unknown {
  const code = codeOf(error) ?? '';
  if (code === 'Z_BUF_ERROR') return new ArtifactError('truncated', `${member}: the compressed stream stops early`);
  if (/^(Z_|ZSTD_|ERR_ZSTD)/.test(code))
    return new ArtifactError('compression-corrupt', `${member}: does not decompress: ${messageOf(error)}`, {
      cause: error,
    });
  return error;
}
