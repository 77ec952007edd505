/** Where the bytes of artifacts are: a folder, or another store behind the same promises. Ids are UUIDs. */
export interface Blobs {
  /** Begins a blob. Nobody sees it before it is committed, and it survives a crash only from then on. */
  create(id: string): Promise<BlobWriter>;
  /** The blob's bytes, both ends inclusive. Throws `not_found`. */
  open(id: string, range?: ByteRange): Promise<AsyncIterable<Uint8Array>>;
  /** Bytes; undefined: there is no such blob. */
  size(id: string): Promise<number | undefined>;
  /** Removes a blob; one that is not there is no error. */
  remove(id: string): Promise<void>;
  /** All committed ids: what a crash left without a row in the database is found by them. */
  list(): Promise<string[]>;
  /** Throws if nothing could be written now. Leaves nothing behind. */
  probe(): Promise<void>;
  /** Bytes that are free there; undefined: nobody knows. */
  free(): Promise<number | undefined>;
}

export interface ByteRange {
  readonly start: number;
  readonly end: number;
}

export interface BlobWriter {
  /** Takes bytes; resolves when it wants more. They may not change before that. */
  write(bytes: Uint8Array): Promise<void>;
  /** Makes the blob visible and durable. */
  commit(): Promise<void>;
  /** Leaves nothing behind. May be called at any time, more than once, and after a failed commit. */
  abort(): Promise<void>;
}
