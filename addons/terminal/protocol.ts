import { Type } from 'typebox';
import { Bytes, defineProtocol, Int64, ProtoType } from '#proto';

/** Any number: a peer that sends nonsense gets the configured size, as the reference does (§2.2). */
const Side = Type.Number();
const Size = Type.Object({ terminal_width: Side, terminal_height: Side });
/** 1 normal, 2 error (the body says why), 3 control. Travels as int64: mender-cli reads no other width. */
const Status = Type.Object({ status: Type.Optional(Int64()) });
/** `exit_code` is ours: what the shell ended with, 128 and its number for a signal; others read over it. */
const Stop = Type.Object({ status: Type.Optional(Int64()), exit_code: Type.Optional(Int64()) });

/** Mender's shell protocol (`connect-protocol.md` §3.3). Property names are spelt as they travel. */
export const shell = defineProtocol(ProtoType.Shell, {
  /**
   * Asks for a shell, with the size of the screen if it is known; the answer has a status and says it in its body.
   * `ask_patchbay`, ours, asks whether the device is one of ours, and `patchbay` in the answer says so: then every word
   * of its shell is read. A stock device takes no notice.
   */
  new: {
    props: Type.Object({
      terminal_width: Type.Optional(Side),
      terminal_height: Type.Optional(Side),
      status: Type.Optional(Int64()),
      ask_patchbay: Type.Optional(Type.Boolean()),
      patchbay: Type.Optional(Type.Boolean()),
    }),
    body: Bytes,
  },
  /** Keystrokes one way, output the other. With status 2: what went wrong. */
  shell: { props: Status, body: Bytes },
  resize: { props: Size },
  /** Either side. From a person it is answered; from the device the body carries the reason. */
  stop: { props: Stop, body: Bytes },
  /** The device asks every minute; who does not answer within `timeout` seconds loses the shell. */
  ping: { props: Type.Object({ timeout: Type.Optional(Int64()), status: Type.Optional(Int64()) }) },
  pong: { props: Status },
});

export const ShellStatus = { Normal: 1, Error: 2, Control: 3 } as const;
