import { Type } from 'typebox';

/*
 * Windows of our own. Mender's port forward has one message of 4096 bytes under way, its file transfer twenty of them:
 * a round trip of 100 ms leaves 40 kB/s and 0.8 MB/s. Between two ends of ours, and only there, the request that begins
 * a stream (`new`, `get_file`, `put_file`, `stat`) says in its properties what its sender would take:
 *
 *   window  bytes that may be under way to it, not yet acknowledged
 *   chunk   the largest body that it takes
 *   prompt  whatever it takes is acknowledged soon, within some 20 ms, however little it is
 *
 * and an answer of ours (`new`, the `ack` that says ready, `file_info`, `error`) says in turn what the answerer takes:
 *
 *   grant_window, grant_chunk, grant_prompt
 *
 * By prompt acknowledgements a sender measures the line, and has no more under way than it takes (`base/flight.ts`). Builds
 * from before that acknowledge only once a quarter of the window is used up: who holds back would wait for them forever.
 * So without the word the window alone counts. Every later addition is to be a property of its own like this one, whose
 * absence means what the build before it did: the devices of a fleet are never all of one age.
 *
 * The answer's names differ on purpose: a stock device echoes the properties of some requests. Who gets no grant has a
 * stock peer before him and keeps to its rules; who asked for nothing is treated as one. Either end may take less than
 * the other offers. A grant also says that the peer knows the other additions of its protocol (see the protocol's file).
 */

const Window = Type.Integer({ minimum: 1, maximum: 1 << 30 });
const Chunk = Type.Integer({ minimum: 1, maximum: 1 << 24 });

/** Properties of a request that offers windows. */
export const asked = {
  window: Type.Optional(Window),
  chunk: Type.Optional(Chunk),
  prompt: Type.Optional(Type.Boolean()),
};
/** Properties of an answer that takes the offer. */
export const granted = {
  grant_window: Type.Optional(Window),
  grant_chunk: Type.Optional(Chunk),
  grant_prompt: Type.Optional(Type.Boolean()),
};

/** What one end takes: bytes under way, and bytes in one body. */
export interface Room {
  readonly window: number;
  readonly chunk: number;
}

/** What a peer takes, and whether it acknowledges promptly. */
export interface Terms extends Room {
  readonly prompt: boolean;
}

/** Largest body that we send or take: with its header it fits into what our device and our server read. */
export const largeChunk = 64 * 1024;

interface Asked {
  readonly window?: number;
  readonly chunk?: number;
  readonly prompt?: boolean;
}
interface Granted {
  readonly grant_window?: number;
  readonly grant_chunk?: number;
  readonly grant_prompt?: boolean;
}

/** The terms of a request; undefined: a stock peer. */
export function askedTerms({ window, chunk, prompt }: Asked): Terms | undefined {
  return terms(window, chunk, prompt);
}

/** The terms of an answer; undefined: a stock peer. */
export function grantedTerms({ grant_window, grant_chunk, grant_prompt }: Granted): Terms | undefined {
  return terms(grant_window, grant_chunk, grant_prompt);
}

/** What this build asks for and grants: all of its ends acknowledge promptly (`base/receipts.ts`). */
export const ask = ({ window, chunk }: Room): Required<Asked> => ({ window, chunk, prompt: true });
export const grant = ({ window, chunk }: Room): Required<Granted> => ({
  grant_window: window,
  grant_chunk: chunk,
  grant_prompt: true,
});

function terms(window: number | undefined, chunk: number | undefined, prompt = false): Terms | undefined {
  if (window === undefined || chunk === undefined) return undefined;
  // No body can be larger than the window that must hold it.
  return { window, chunk: Math.min(chunk, window, largeChunk), prompt };
}
