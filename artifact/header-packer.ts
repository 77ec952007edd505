import { constants, crc32, deflateRawSync, zstdCompressSync } from 'node:zlib';

/** Where in header.tar the payload's checksum goes, as soon as it is known. */
export interface Hole {
  readonly at: number;
  readonly length: number;
}

/**
 * Compresses header.tar so that its length does not depend on what is in the hole: the parts around it are compressed
 * by themselves, and the hole is stored. So everything in front of the payload can be laid out before the payload is read.
 */
export function packGzip(tar: Buffer, hole?: Hole): Buffer {
  const parts: Buffer[] = [Buffer.from([0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 255])];
  if (hole) {
    const { at, length } = hole;
    parts.push(deflateRawSync(tar.subarray(0, at), { level: 9, finishFlush: constants.Z_FULL_FLUSH }));
    const head = Buffer.alloc(5);
    head.writeUInt16LE(length, 1);
    head.writeUInt16LE(~length & 0xffff, 3);
    parts.push(head, tar.subarray(at, at + length), deflateRawSync(tar.subarray(at + length), { level: 9 }));
  } else {
    parts.push(deflateRawSync(tar, { level: 9 }));
  }
  const trailer = Buffer.alloc(8);
  trailer.writeUInt32LE(crc32(tar), 0);
  trailer.writeUInt32LE(tar.length % 2 ** 32, 4);
  return Buffer.concat([...parts, trailer]);
}

/** As `packGzip`, for zstd: the parts are frames. */
export function packZstd(tar: Buffer, hole?: Hole): Buffer {
  if (!hole) return zstdCompressSync(tar, zstdOptions);
  const { at, length } = hole;
  return Buffer.concat([
    zstdCompressSync(tar.subarray(0, at), zstdOptions),
    rawFrame(tar.subarray(at, at + length)),
    zstdCompressSync(tar.subarray(at + length), zstdOptions),
  ]);
}

const zstdOptions = { params: { [constants.ZSTD_c_compressionLevel]: 19, [constants.ZSTD_c_checksumFlag]: 1 } };

/** A zstd frame of one stored block: magic number, "single segment" with a length of one byte, block header (RFC 8878 §3.1). */
function rawFrame(content: Buffer): Buffer {
  const head = Buffer.from([0x28, 0xb5, 0x2f, 0xfd, 0x20, content.length, 0, 0, 0]);
  head.writeUIntLE((content.length << 3) | 1, 6, 3);
  return Buffer.concat([head, content]);
}
