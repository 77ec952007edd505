import { Type } from 'typebox';

/*
 * Windows of our own. Mender's port forward has one message of 4096 bytes under way, its file transfer twenty of them:
 * a round trip of 100 ms leaves 40 kB/s and 0.8 MB/s. Between two ends of ours, and only there, the request that begins
 * a stream (`new`, `get_file`, `put_file`, `stat`) says in its properties what its sender would take:
 *
 *   window  bytes that may be under way to it, not yet acknowledged
 *   chunk   the largest body that it takes
 *
 * and an answer of ours (`new`, the `ack` that says ready, `file_info`, `error`) says in turn what the answerer takes:
 *
 *   grant_window, grant_chunk
 *
 * Bytes that are taken are acknowledged within some 20 ms, however few: a sender has no more under way than the line takes,
 * and measures it by that (`base/flight.ts`).
 *
 * The answer's names differ on purpose: a stock device echoes the properties of some requests. Who gets no grant has a
 * stock peer before him and keeps to its rules; who asked for nothing is treated as one. Either end may take less than
 * the other offers. A grant also says that the peer knows the other additions of its protocol (see the protocol's file).
 */

const Window = Type.Integer({ minimum: 1, maximum: 1 << 30 });
const Chunk = Type.Integer({ minimum: 1, maximum: 1 << 24 });

/** Properties of a request that offers windows. */
export const asked = { window: Type.Optional(Window), chunk: Type.Optional(Chunk) };
/** Properties of an answer that takes the offer. */
export const granted = { grant_window: Type.Optional(Window), grant_chunk: Type.Optional(Chunk) };

/** What one end takes: bytes under way, and bytes in one body. */
export interface Terms {
  readonly window: number;
  readonly chunk: number;
}

/** Largest body that we send or take: with its header it fits into what our device and our server read. */
export const largeChunk = 64 * 1024;

/** The terms of a request; undefined: a stock peer. */
export function askedTerms(props: { readonly window?: number; readonly chunk?: number }): Terms | undefined {
  return terms(props.window, props.chunk);
}

/** The terms of an answer; undefined: a stock peer. */
export function grantedTerms(props: {
  readonly grant_window?: number;
  readonly grant_chunk?: number;
}): Terms | undefined {
  return terms(props.grant_window, props.grant_chunk);
}

export const ask = ({ window, chunk }: Terms): { window: number; chunk: number } => ({ window, chunk });
export const grant = ({ window, chunk }: Terms): { grant_window: number; grant_chunk: number } => ({
  grant_window: window,
  grant_chunk: chunk,
});

function terms(window: number | undefined, chunk: number | undefined): Terms | undefined {
  if (window === undefined || chunk === undefined) return undefined;
  // No body can be larger than the window that must hold it.
  return { window, chunk: Math.min(chunk, window, largeChunk) };
}
