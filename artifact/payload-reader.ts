import { createHash } from 'node:crypto';
import type { PayloadFile } from './artifact.ts';
import { ByteReader } from './byte-reader.ts';
import { ArtifactError, shown } from './errors.ts';
import type { Limits } from './limits.ts';
import type { Manifest } from './manifest.ts';
import { checkPayloadFileName, payloadPrefix } from './names.ts';
import type { TarHeader } from './tar-header.ts';
import { TarReader } from './tar-reader.ts';

/** Which rules a payload is read by. */
export interface PayloadRules {
  readonly manifest: Manifest;
  readonly limits: Limits;
  /** An empty payload, which has no files. */
  readonly empty: boolean;
}

/** Reads data/0000.tar, decompressed. Each file is checked when its content ends, and skipped content is checked too. */
export async function* readPayload(
  source: AsyncIterable<Uint8Array>,
  { manifest, limits, empty }: PayloadRules,
): AsyncGenerator<PayloadFile, void, undefined> {
  const bytes = new ByteReader(source);
  try {
    const tar = new TarReader(bytes, 'payload 0000', limits);
    const seen = new Set<string>();
    let left = limits.payload;
    for (let entry; (entry = await tar.next());) {
      if (empty)
        throw new ArtifactError('empty-payload-violation', `payload 0000: file ${entry.name} in an empty payload`);
      if (entry.type !== '0')
        throw new ArtifactError('payload-type-invalid', `payload 0000: file ${entry.name}: not a regular file`);
      checkPayloadFileName(entry.name);
      if (seen.has(entry.name))
        throw new ArtifactError('duplicate-member', `payload 0000: file ${entry.name} comes twice`);
      seen.add(entry.name);
      left -= entry.size;
      if (left < 0 || seen.size > limits.payloadFiles)
        throw new ArtifactError('limit-exceeded', `payload 0000: file ${shown(entry.name)}: the payload is too large`);
      const checksum = manifest.take(payloadPrefix + entry.name);
      const content = verified(tar, entry, checksum);
      yield { name: entry.name, size: entry.size, modified: entry.modified, checksum, content };
      // Whatever the consumer left is read over; when it left nothing this is empty.
      for await (const _ of content);
    }
  } finally {
    bytes.close();
  }
}

/** The content of a file, as often as it is asked for its rest; its end is reached only if the checksum is right. */
function verified(tar: TarReader, entry: TarHeader, checksum: string): AsyncIterable<Uint8Array> {
  const hash = createHash('sha256');
  let actual: string | undefined;
  return {
    async *[Symbol.asyncIterator]() {
      for await (const chunk of tar.content()) {
        hash.update(chunk);
        yield chunk;
      }
      actual ??= hash.digest('hex');
      if (actual !== checksum)
        throw new ArtifactError(
          'checksum-mismatch',
          `payload 0000: file ${entry.name}: checksum differs from manifest`,
        );
    },
  };
}
