/** What an artifact's header says, as read and checked (`artifact-format.md` §6). Names are spelt as they travel. */
export interface ArtifactHeader {
  readonly format: 'mender';
  readonly version: 2 | 3;
  readonly name: string;
  readonly group?: string;
  readonly depends: {
    readonly device_type: readonly string[];
    readonly artifact_name?: readonly string[];
    readonly artifact_group?: readonly string[];
  };
  readonly scripts: readonly StateScript[];
  readonly payload: Payload;
  /** What the unsigned part of an augmented artifact says (§7). `mergedPayload` puts both together. */
  readonly augment?: Omit<Payload, 'files'>;
  /** A signature is there. Whether it holds is in `verified`. */
  readonly signed: boolean;
  /** The signature was checked with one of the caller's keys. */
  readonly verified: boolean;
  readonly augmented: boolean;
  /** How header.tar is compressed, and in all artifacts of known tools the payload too. */
  readonly compression?: 'none' | 'gzip' | 'lzma' | 'zstd';
}

/** A state script of the header: file name as `artifact-format.md` §6.4. */
export interface StateScript {
  readonly name: string;
  readonly content: Uint8Array;
}

export interface Payload {
  /** Update module that takes it; null: an empty payload ("bootstrap", §11). */
  readonly type: string | null;
  readonly provides: Readonly<Record<string, string>>;
  readonly depends: Readonly<Record<string, string | readonly string[]>>;
  /** Absent is not the same as empty (§9). */
  readonly clears?: readonly string[];
  /** The JSON object of meta-data, if there is one. */
  readonly metaData?: Readonly<Record<string, unknown>>;
  /** Files as the manifest lists them, in its order. */
  readonly files: readonly { readonly name: string; readonly checksum: string; readonly augmented?: boolean }[];
}

/** One payload file while it streams. Its bytes are unverified until the iteration over `content` has ended. */
export interface PayloadFile {
  readonly name: string;
  /** Bytes, from the tar header. */
  readonly size: number;
  /** Seconds since the epoch, from the tar header. */
  readonly modified: number;
  /** Hex SHA-256 as the manifest has it. */
  readonly checksum: string;
  readonly content: AsyncIterable<Uint8Array>;
}

/**
 * An artifact whose header is read, checked and (with keys) verified, and whose payload is still to come. `files` ends
 * only when everything after the header, the end of the archive included, has been checked; it throws `ArtifactError`
 * else. A file whose `content` was not read to its end is read over (and still checked).
 */
export interface OpenArtifact {
  readonly header: ArtifactHeader;
  /** The header's own JSON, verbatim, for the update module's tree (`update-client.md` §4.2). */
  readonly raw: { readonly headerInfo: Uint8Array; readonly typeInfo: Uint8Array; readonly metaData?: Uint8Array };
  files(): AsyncIterable<PayloadFile>;
}
