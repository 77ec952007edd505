import { Type, type Static } from 'typebox';
import { ProtoType } from './envelope.ts';
import { defineProtocol } from './protocol.ts';

const Number16 = Type.Integer({ minimum: 0, maximum: 0xffff });
const Count = Type.Integer({ minimum: 0, maximum: Number.MAX_SAFE_INTEGER });

/** Somebody at a terminal: its owner, or a guest, who watches or types as well. */
export const Participant = Type.Object({
  name: Type.String({ maxLength: 320 }),
  role: Type.Union([Type.Literal('owner'), Type.Literal('types'), Type.Literal('watches')]),
});
export type Participant = Static<typeof Participant>;

/** The session handshake and its liveness (`connect-protocol.md` §3.2). The only version there is: 1. */
export const control = defineProtocol(ProtoType.Control, {
  open: { body: Type.Object({ versions: Type.Array(Type.Integer(), { maxItems: 64 }) }) },
  accept: { body: Type.Object({ version: Type.Integer(), protocols: Type.Array(Number16, { maxItems: 256 }) }) },
  ping: {},
  pong: {},
  close: {},
  /** Ours, between our server and our device only: send no more for this session until `resume`. */
  pause: {},
  resume: {},
  /*
   * Ours, of sessions that outlive a lost link (`resumeExtension`; the whole of it is in `resume.ts`).
   */
  /** Server → person, first of all: the name of his session, and whether it may outlive its links. */
  session: { body: Type.Object({ sid: Type.String({ maxLength: 128 }), resume: Type.Boolean(), up: Type.Boolean() }) },
  /** Server → person: the device of his session was lost, or is back. */
  link: { body: Type.Object({ up: Type.Boolean() }) },
  /** Person → device: begins the session, or goes on with it. `received`: the last number that has arrived here. */
  attach: { body: Type.Object({ received: Count, fresh: Type.Boolean() }) },
  /** Device → person: so many of his messages have arrived; seconds for which a lost link is waited for. */
  attached: { body: Type.Object({ received: Count, within: Count }) },
  /** Either end → the other: what has arrived need not be kept any more. */
  ack: { body: Type.Object({ received: Count }) },
  /** Server → device: the person is away; `within` seconds, if less than usual, are what he has to come back. */
  suspend: { body: Type.Object({ within: Type.Optional(Count) }) },
  /** Server → everybody at one terminal: who they are. */
  people: { body: Type.Object({ people: Type.Array(Participant, { maxItems: 64 }), self: Count }) },
  /** Ours, server → device, of no session: there is something for this add-on (`newsExtension`). Nothing is answered. */
  news: { body: Type.Object({ addon: Type.String({ maxLength: 64 }) }) },
  error: {
    body: Type.Object({
      err: Type.String({ maxLength: 65536 }),
      close: Type.Optional(Type.Boolean()),
      code: Type.Optional(Type.Integer()),
      msgproto: Type.Optional(Number16),
      msgtype: Type.Optional(Type.String({ maxLength: 1024 })),
      msgid: Type.Optional(Type.String({ maxLength: 1024 })),
    }),
  },
});
export const controlVersion = 1;

/**
 * Header of a socket request, a device's or a person's, and of the answer: which additions of ours each side
 * understands, separated by commas. A stock peer neither sends nor minds it, and a proxy that drops it costs only the
 * additions. A browser cannot send headers with a WebSocket: it names them in the query, as `extensions`.
 * `flow`: control messages `pause` and `resume`.
 * `resume`: see `resumeExtension`.
 * `news`: control message `news`.
 * `frames`: a device that takes frames of more than `deviceFrameLimit`, up to `largeFrameLimit`.
 */
export const extensionsHeader = 'patchbay-extensions';
export const flowExtension = 'flow';
export const framesExtension = 'frames';
/** A device whose add-ons are told that the server has something for them. */
export const newsExtension = 'news';
/** Sessions that outlive a lost link, a device's or a person's (`resume.ts`). */
export const resumeExtension = 'resume';
/** Whether a header that may be there names an addition. */
export const hasExtension = (header: string | string[] | undefined, name: string): boolean =>
  [header ?? []]
    .flat()
    .flatMap((value) => value.split(','))
    .some((value) => value.trim() === name);
