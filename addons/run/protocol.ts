import { Type } from 'typebox';
import { Bytes, defineProtocol, type MessageOf } from '#proto';

const Text = Type.String({ maxLength: 4096 });

/** Ours: one command a session, without a terminal. The number is the first of those that are Patchbay's own. */
export const run = defineProtocol(0x0100, {
  /** Starts it: a program with its arguments, or one line for the shell. Answered by `started` or `failed`. */
  start: {
    body: Type.Object({
      command: Type.Array(Type.String({ maxLength: 131_072 }), { minItems: 1, maxItems: 1024 }),
      /** `command` is one line, and the device's shell reads it. */
      shell: Type.Boolean(),
      /** Seconds; then it is ended, and `exit` says so. */
      timeout: Type.Optional(Type.Number({ minimum: 0.001, maximum: 86_400 })),
    }),
  },
  started: { body: Type.Object({ pid: Type.Integer() }) },
  failed: { body: Type.Object({ why: Text }) },
  input: { body: Bytes },
  /** No more input. */
  end: {},
  output: { body: Bytes },
  errors: { body: Bytes },
  /** It has ended and all that it said was sent. `code` as shells count: 128 and the number for a signal. */
  exit: {
    body: Type.Object({ code: Type.Integer(), signal: Type.Optional(Text), timed_out: Type.Optional(Type.Boolean()) }),
  },
});

export type Message = MessageOf<typeof run>;
