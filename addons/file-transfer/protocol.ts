import { Type } from 'typebox';
import { asked, Bytes, defineProtocol, granted, ProtoType, type MessageOf } from '#proto';

/** Checked where it is used: a wrong one has an answer of its own. An int64 on the wire, or a Go peer does not see it. */
const offset = Type.Optional(Type.Unsafe<unknown>({ int64: true }));
/** A pointer that Go left unset travels as nil. */
const Nullable = <T extends Parameters<typeof Type.Optional>[0]>(schema: T) =>
  Type.Optional(Type.Union([schema, Type.Null()]));
const Path = Nullable(Type.String({ maxLength: 4096 }));
const Uint32 = Nullable(Type.Integer({ minimum: 0, maximum: 0xffffffff }));
const Size = Nullable(Type.Integer({ minimum: 0 }));
/** Travels as the timestamp extension. */
const Time = Type.Optional(Type.Unsafe<Date | null>({}));
/** SHA-256 in hex. */
const Sum = Type.Optional(Type.String({ maxLength: 64 }));

/** Mode bits as Go has them: permissions in the low nine, kinds of files from bit 31 down. */
const Info = { size: Size, uid: Uint32, gid: Uint32, mode: Uint32, modtime: Time };

/** Mender's file transfer (`connect-protocol.md` §3.4). Property names are spelt as they travel. */
export const fileTransfer = defineProtocol(ProtoType.FileTransfer, {
  stat: { props: Type.Object(asked), body: Type.Object({ path: Path }) },
  file_info: { props: Type.Object(granted), body: Type.Object({ path: Path, ...Info }) },
  /** `offset`, ours: where to begin. */
  get_file: { props: Type.Object(asked), body: Type.Object({ path: Path, offset: Size }) },
  /** `upload`, ours: a name for this upload, under which what arrived is kept when the session is lost. */
  put_file: {
    props: Type.Object(asked),
    body: Type.Object({
      path: Path,
      src_path: Path,
      ...Info,
      upload: Type.Optional(Type.String({ pattern: '^[0-9a-f]{8,64}$' })),
    }),
  },
  /** `offset` of its first byte; without a body the end, at the total length. */
  file_chunk: { props: Type.Object({ offset }), body: Bytes },
  /**
   * To a sender: for downloads the bytes received so far, for uploads the offset of the last chunk that was written.
   * Ours, as the answer to `put_file` with `upload`: `offset` bytes are there already, with this sum.
   */
  ack: { props: Type.Object({ offset, ...granted, sha256: Sum }) },
  error: {
    props: Type.Object({ offset, ...granted }),
    body: Type.Object({
      err: Type.String({ maxLength: 65_536 }),
      code: Type.Optional(Type.Integer()),
      msgtype: Type.Optional(Type.String({ maxLength: 1024 })),
      msgid: Type.Optional(Type.String({ maxLength: 1024 })),
    }),
  },

  // Ours, to who granted windows:
  /** Asks for the content of a folder; answered by `entries`, as many as it takes. */
  list: { body: Type.Object({ path: Path }) },
  entries: {
    body: Type.Object({
      entries: Type.Array(Type.Object({ name: Type.String({ maxLength: 1024 }), ...Info }), { maxItems: 1024 }),
      /** More come in another one. */
      more: Type.Boolean(),
    }),
  },
  /** Makes a folder unless it is there; answered by `file_info`. */
  make_folder: { body: Type.Object({ path: Path, ...Info }) },
  /** Asks for the sum of the first `size` bytes of a file; answered by `sum`. */
  checksum: { body: Type.Object({ path: Path, size: Size }) },
  sum: { body: Type.Object({ size: Type.Integer({ minimum: 0 }), sha256: Type.String({ maxLength: 64 }) }) },
});

export type Message = MessageOf<typeof fileTransfer>;
export type Request = Extract<Message, { typ: 'stat' | 'get_file' | 'put_file' | 'list' | 'make_folder' | 'checksum' }>;
export type PutFile = Extract<Message, { typ: 'put_file' }>;
export type Entry = Extract<Message, { typ: 'entries' }>['body']['entries'][number];

/** What a stock sender may have under way: twenty chunks (§3.4). */
export const stockWindow = 20 * 4096;

/** An offset as it came: undefined if there is none, null if it is no integer. */
export function offsetOf({ offset }: { readonly offset?: unknown }): number | undefined | null {
  if (offset === undefined || offset === null) return undefined;
  return typeof offset === 'number' && Number.isSafeInteger(offset) && offset >= 0 ? offset : null;
}
