/** What a reader takes at most (`artifact-format.md` §13). Bytes, unless said otherwise. */
export interface Limits {
  readonly version: number;
  /** Each of manifest and manifest-augment. */
  readonly manifest: number;
  readonly signature: number;
  /** header.tar as stored, that is compressed. */
  readonly header: number;
  /** Each of header-info, type-info and meta-data, decoded. */
  readonly headerFile: number;
  readonly script: number;
  /** All scripts together. */
  readonly scripts: number;
  /** Entries in one header.tar. */
  readonly headerEntries: number;
  /** Files in the payload. */
  readonly payloadFiles: number;
  /** One pax or long-name record of a tar. */
  readonly tarRecord: number;
  /** Zeros from an archive's end mark to its end: what GNU tar pads at most. */
  readonly padding: number;
  /** Nesting of the JSON in meta-data, levels. */
  readonly depth: number;
  /** All payload files together, decoded. */
  readonly payload: number;
}

const KiB = 1024;
const MiB = 1024 * KiB;

export const defaultLimits: Limits = {
  version: KiB,
  manifest: MiB,
  signature: 16 * KiB,
  header: 16 * MiB,
  headerFile: MiB,
  script: 4 * MiB,
  scripts: 16 * MiB,
  headerEntries: 1000,
  payloadFiles: 10_000,
  tarRecord: 64 * KiB,
  padding: 10 * KiB + 512,
  depth: 200,
  payload: Number.MAX_SAFE_INTEGER,
};
