import { Type } from 'typebox';
import { asked, Bytes, defineProtocol, granted, Int64, ProtoType, type MessageOf } from '#proto';

/** Any string; clients use a UUID. Absent is said in words of the protocol, not by the schema. */
const Connection = { connection_id: Type.Optional(Type.String({ maxLength: 1024 })) };
/** A pointer that Go left unset travels as nil. */
const Text = Type.Optional(Type.Union([Type.String({ maxLength: 1024 }), Type.Null()]));
const Port = Type.Optional(Type.Union([Type.Integer(), Type.Null()]));

/** Mender's port forward (`connect-protocol.md` §3.5). Property names are spelt as they travel. */
export const portForward = defineProtocol(ProtoType.PortForward, {
  /** Asks for a connection; answered by the same without a body, or by `error`. */
  new: {
    props: Type.Object({ ...Connection, ...asked, ...granted }),
    body: Type.Object({ remote_host: Text, remote_port: Port, protocol: Text }),
  },
  /** A stock peer acknowledges each, and takes no second one before it did. */
  forward: { props: Type.Object(Connection), body: Bytes },
  /** `received`, where windows were granted: bytes of the whole direction; then not every message is acknowledged. */
  ack: { props: Type.Object({ ...Connection, received: Type.Optional(Int64()) }) },
  /** Ours, where windows were granted: no more from this side, the other direction goes on. */
  end: { props: Type.Object(Connection) },
  stop: { props: Type.Object(Connection) },
  error: {
    props: Type.Object(Connection),
    body: Type.Object({
      err: Type.String({ maxLength: 65_536 }),
      msgtype: Type.Optional(Type.String({ maxLength: 1024 })),
    }),
  },
});

export type Message = MessageOf<typeof portForward>;

/** A message whose body must be absent although its kind may have one. */
export const noBody = new Uint8Array() as unknown as Record<string, never>;
