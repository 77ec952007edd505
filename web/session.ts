import {
  narrow,
  openOperator,
  unpack,
  type LooseMessage,
  type Protocol,
  type ProtoMsg,
  type SocketEvents,
} from '#proto';
import { CodedError, messageOf } from '#base/errors';
import type { OperatorSession } from '#addon/web';

/** Bytes that wait in the browser's socket before a sender is told to stop. */
const highWater = 256 * 1024;
/** A browser's socket has no event for "there is room again": it is looked at this often, ms. */
const drainCheck = 20;

export interface SocketOptions {
  /** Of the socket, a new one or, with its id, one that goes on. */
  readonly url: (sid: string | undefined) => string;
  readonly protocol: Protocol;
  /** The server is asked for a session that outlives its links. */
  readonly resume?: boolean;
  /** What an earlier page kept of the session (`OperatorSession.freeze`). */
  readonly frozen?: string;
  /** Runs right before a socket is opened: the place for a short-lived cookie. */
  readonly before?: () => void;
  /** Says why a socket was not opened: a browser does not tell the status of a refused upgrade. */
  readonly explain?: (sid: string | undefined) => Promise<Error>;
}

/** Opens a socket to a device and gives the session on it; rejects with what `explain` found out. */
export async function openSession(options: SocketOptions): Promise<OperatorSession<LooseMessage>> {
  return await openOperator({
    protocol: options.protocol,
    parse: (frame) => parse(options.protocol, frame),
    full: highWater,
    say: sentence,
    dial: (sid, events) => dial(options, sid, events),
    ...(options.frozen === undefined ? {} : { frozen: options.frozen }),
  });
}

/** One socket of a session. */
async function dial(options: SocketOptions, sid: string | undefined, events: SocketEvents): Promise<void> {
  options.before?.();
  const socket = new WebSocket(options.url(sid));
  socket.binaryType = 'arraybuffer';
  let check: ReturnType<typeof setTimeout> | undefined;
  const drain = (): void => {
    check = undefined;
    events.written();
    watch();
  };
  const watch = (): void => {
    if (socket.bufferedAmount > 0) check ??= setTimeout(drain, drainCheck);
  };
  socket.addEventListener('message', (event: { readonly data: unknown }) => {
    if (event.data instanceof ArrayBuffer) events.message(new Uint8Array(event.data));
  });
  await new Promise<void>((resolve, reject) => {
    socket.addEventListener(
      'open',
      () => {
        events.opened(
          {
            get buffered() {
              return socket.bufferedAmount;
            },
            send(frame) {
              if (socket.readyState !== WebSocket.OPEN) return;
              // The socket wants memory that nobody shares; the encoder's never is.
              socket.send(frame as Uint8Array<ArrayBuffer>);
              watch();
            },
            // A page may name no code of the protocol's own but the first.
            close: (code) => socket.close(code < 3000 ? 1000 : code),
          },
          options.resume === true,
        );
        resolve();
      },
      { once: true },
    );
    socket.addEventListener('close', (event) => {
      clearTimeout(check);
      events.closed(event.code, ending(event));
      reject(ending(event));
    });
  }).catch(async (error: unknown) => {
    throw options.explain ? await options.explain(sid) : error;
  });
}

/** Why a socket closed, for a person. */
function ending(event: { readonly code: number; readonly reason: string }): CodedError {
  if (event.reason) return new CodedError('session_closed', sentence(event.reason));
  if (event.code === 1000 || event.code === 1005) return new CodedError('session_closed', 'The session has ended.');
  if (event.code === 1001) return new CodedError('server_stopped', 'The server is going down or restarting.');
  if (event.code === 1008) return new CodedError('session_refused', 'The server does not permit this session.');
  if (event.code === 1009) return new CodedError('frame_too_large', 'A message was larger than the server takes.');
  return new CodedError('connection', 'The connection to the server was lost.');
}

function sentence(text: string): string {
  const line = text.trim();
  return `${line.charAt(0).toUpperCase()}${line.slice(1)}${/[.!?]$/.test(line) ? '' : '.'}`;
}

/** Not by schema: ajv compiles with `new Function`, which the page's security policy forbids. */
function parse(protocol: Protocol, { hdr, body }: ProtoMsg): LooseMessage | undefined {
  const shape = hdr.typ === undefined ? undefined : protocol.messages[hdr.typ];
  // A newer device may say more than this page understands.
  if (!shape || hdr.typ === undefined) return undefined;
  const raw = shape.body !== undefined && 'bytes' in shape.body;
  let content: unknown = new Uint8Array();
  try {
    if (body) content = raw ? body : narrow(unpack(body));
  } catch (error) {
    throw new CodedError('invalid_frame', messageOf(error));
  }
  return {
    typ: hdr.typ,
    props: narrow(hdr.props ?? {}) as Record<string, unknown>,
    ...(shape.body ? { body: content } : {}),
  };
}
