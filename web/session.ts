import {
  control,
  decode,
  encode,
  narrow,
  ProtoType,
  toFrame,
  unpack,
  type LooseMessage,
  type Protocol,
  type ProtoMsg,
} from '#proto';
import { CodedError, messageOf } from '#base/errors';
import type { OperatorSession } from '#addon/web';

/** Bytes that wait in the browser's socket before a sender is told to stop. */
const highWater = 256 * 1024;
/** Bytes that wait for a reader who is behind. A browser's socket cannot be paused, so past this the session ends. */
const readLimit = 64 * 1024 * 1024;
/** A browser's socket has no event for "there is room again": it is looked at this often, ms. */
const drainCheck = 20;

export interface SocketOptions {
  readonly url: string;
  readonly protocol: Protocol;
  /** Runs right before the socket is opened: the place for a short-lived cookie. */
  readonly before?: () => void;
  /** Says why the socket was not opened: a browser does not tell the status of a refused upgrade. */
  readonly explain?: () => Promise<Error>;
}

/** Opens a socket to a device and gives the session on it; rejects with what `explain` found out. */
export async function openSession(options: SocketOptions): Promise<OperatorSession<LooseMessage>> {
  options.before?.();
  const socket = new WebSocket(options.url);
  socket.binaryType = 'arraybuffer';
  const session = new BrowserSession(socket, options.protocol);
  await new Promise<void>((resolve, reject) => {
    socket.addEventListener('open', () => resolve(), { once: true });
    socket.addEventListener('close', (event) => reject(ending(event)), { once: true });
  }).catch(async (error: unknown) => {
    throw options.explain ? await options.explain() : error;
  });
  return session;
}

/** Why a socket closed, for a person. */
function ending(event: { readonly code: number; readonly reason: string }): CodedError {
  if (event.reason) return new CodedError('session_closed', sentence(event.reason));
  if (event.code === 1000 || event.code === 1005) return new CodedError('session_closed', 'The session has ended.');
  if (event.code === 1001) return new CodedError('server_stopped', 'The server is going down or restarting.');
  if (event.code === 1008) return new CodedError('session_refused', 'The server does not permit this session.');
  if (event.code === 1009) return new CodedError('frame_too_large', 'A message was larger than the server takes.');
  return new CodedError('link_lost', 'The connection to the server was lost.');
}

function sentence(text: string): string {
  const line = text.trim();
  return `${line.charAt(0).toUpperCase()}${line.slice(1)}${/[.!?]$/.test(line) ? '' : '.'}`;
}

/** `OperatorSession` over one browser socket: the server gives it one session, so what arrives is of this session. */
class BrowserSession implements OperatorSession<LooseMessage> {
  sid = '';
  userId = '';
  readonly #socket: WebSocket;
  readonly #protocol: Protocol;
  readonly #over = new AbortController();
  readonly #inbox: { readonly message: LooseMessage; readonly size: number }[] = [];
  #waiting = 0;
  #wake: (() => void) | undefined;

  constructor(socket: WebSocket, protocol: Protocol) {
    this.#socket = socket;
    this.#protocol = protocol;
    socket.addEventListener('message', (event: { readonly data: unknown }) => this.#receive(event.data));
    socket.addEventListener('close', (event) => this.#end(ending(event)));
  }

  get signal(): AbortSignal {
    return this.#over.signal;
  }

  send(message: LooseMessage): boolean {
    if (this.signal.aborted) return true;
    this.#write(toFrame(this.#protocol, message, this.sid || undefined));
    return this.#socket.bufferedAmount < highWater;
  }

  async drained(): Promise<void> {
    while (!this.signal.aborted && this.#socket.bufferedAmount >= highWater / 2)
      await new Promise((resolve) => setTimeout(resolve, drainCheck));
  }

  close(): void {
    if (this.signal.aborted) return;
    this.#write(toFrame(control, { typ: 'close' }, this.sid || undefined));
    this.#end(new CodedError('session_closed', 'You have ended the session.'));
    this.#socket.close(1000);
  }

  /** This socket's session does not outlive it: the link is never away and back, `signal` ends it instead. */
  onLink(): () => void {
    return () => undefined;
  }

  async *[Symbol.asyncIterator](): AsyncGenerator<LooseMessage> {
    for (;;) {
      const next = this.#inbox.shift();
      if (next) {
        this.#waiting -= next.size;
        yield next.message;
      } else if (this.signal.aborted) return;
      else
        await new Promise<void>((resolve) => {
          this.#wake = resolve;
        });
    }
  }

  #write(frame: ProtoMsg): void {
    // The socket wants memory that nobody shares; the encoder's never is.
    if (this.#socket.readyState === WebSocket.OPEN) this.#socket.send(encode(frame) as Uint8Array<ArrayBuffer>);
  }

  #receive(data: unknown): void {
    if (this.signal.aborted || !(data instanceof ArrayBuffer)) return;
    let frame: ProtoMsg;
    try {
      frame = decode(new Uint8Array(data));
    } catch (error) {
      this.#fail(new CodedError('invalid_frame', `The server sent what is no message: ${messageOf(error)}.`));
      return;
    }
    if (frame.hdr.sid) this.sid = frame.hdr.sid;
    if (frame.hdr.proto === ProtoType.Control) this.#control(frame);
    else if (frame.hdr.proto === this.#protocol.number) this.#deliver(frame, data.byteLength);
  }

  #control({ hdr, body }: ProtoMsg): void {
    if (hdr.typ === 'ping') this.#write(toFrame(control, { typ: 'pong' }, this.sid || undefined));
    else if (hdr.typ === 'close') this.#fail(new CodedError('session_closed', 'The device has ended the session.'));
    else if (hdr.typ === 'error') this.#fail(new CodedError('session_refused', sentence(controlError(body))));
  }

  #deliver({ hdr, body }: ProtoMsg, size: number): void {
    const shape = hdr.typ === undefined ? undefined : this.#protocol.messages[hdr.typ];
    // A newer device may say more than this page understands.
    if (!shape || hdr.typ === undefined) return;
    const raw = shape.body !== undefined && 'bytes' in shape.body;
    let content: unknown = new Uint8Array();
    try {
      if (body) content = raw ? body : narrow(unpack(body));
    } catch (error) {
      this.#fail(new CodedError('invalid_frame', `The device sent what is no message: ${messageOf(error)}.`));
      return;
    }
    this.#inbox.push({
      message: {
        typ: hdr.typ,
        props: narrow(hdr.props ?? {}) as Record<string, unknown>,
        ...(shape.body ? { body: content } : {}),
      },
      size,
    });
    this.#waiting += size;
    if (this.#waiting > readLimit)
      this.#fail(new CodedError('too_slow', 'The device sent more than this browser could show in time.'));
    this.#wake?.();
  }

  #fail(reason: CodedError): void {
    this.#end(reason);
    this.#socket.close(1000);
  }

  #end(reason: CodedError): void {
    if (!this.signal.aborted) this.#over.abort(reason);
    this.#wake?.();
  }
}

function controlError(body: Uint8Array | undefined): string {
  const unnamed = 'the session was refused';
  if (!body) return unnamed;
  try {
    const value = unpack(body) as { err?: unknown } | null;
    return typeof value?.err === 'string' && value.err ? value.err.slice(0, 500) : unnamed;
  } catch {
    return unnamed;
  }
}
