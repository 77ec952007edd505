import { Type } from 'typebox';
import { ProtoType } from './envelope.ts';
import { defineProtocol } from './protocol.ts';

const Number16 = Type.Integer({ minimum: 0, maximum: 0xffff });

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
 * Header of the device's socket request and of the answer: which additions of ours each side understands, separated
 * by commas. A stock peer neither sends nor minds it, and a proxy that drops it costs only the additions.
 * `flow`: control messages `pause` and `resume`.
 * `frames`: a device that takes frames of more than `deviceFrameLimit`, up to `largeFrameLimit`.
 */
export const extensionsHeader = 'patchbay-extensions';
export const flowExtension = 'flow';
export const framesExtension = 'frames';
/** Whether a header that may be there names an addition. */
export const hasExtension = (header: string | string[] | undefined, name: string): boolean =>
  [header ?? []]
    .flat()
    .flatMap((value) => value.split(','))
    .some((value) => value.trim() === name);
