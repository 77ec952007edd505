import { WebSocket, type ClientOptions, type RawData } from 'ws';
import { CodedError, messageOf } from '#base/errors';
import { Inbox } from '#base/inbox';
import type { OperatorSession } from '#addon/cli';
import { control, decode, encode, frameLimit, narrow, ProtoType, toFrame, unpack } from '#proto';
import type { LooseMessage, Protocol, ProtoMsg } from '#proto';
import { messageParser, parser } from '#proto/validate';

export interface OpenOptions {
  /** The server's address, `http(s)://…`; a path of it is kept, for servers behind a proxy. */
  readonly server: string | URL;
  readonly token: string;
  readonly deviceId: string;
  readonly protocol: Protocol;
  /** Certificates, an agent. */
  readonly client?: ClientOptions;
}

/** Between two pings, and how long a server may be silent, ms. */
const pingEvery = 20_000;
const deadAfter = 50_000;
/** Bytes that wait for the network before `send` asks to wait, and after which it goes on. */
const full = 64 * 1024;
const low = 16 * 1024;

const utf8 = new TextDecoder();
const errorBody = parser(control.messages.error.body);

/** Opens the socket of one session; throws a CodedError that says what the server said. */
export async function openSession<M>(options: OpenOptions): Promise<OperatorSession<M>> {
  const socket = new WebSocket(socketUrl(options.server, options.deviceId), {
    ...options.client,
    headers: { Authorization: `Bearer ${options.token}` },
    perMessageDeflate: false,
    // A mask guards browsers against what their pages send; here it would cost each byte a turn on both ends.
    generateMask: (mask: Buffer) => mask.fill(0),
    maxPayload: frameLimit,
    handshakeTimeout: 30_000,
  });
  // Before it is open: the server's first frame may come in one piece with its answer.
  const session = new SocketSession(socket, options.protocol);
  await opened(socket);
  return session as unknown as OperatorSession<M>;
}

class SocketSession implements OperatorSession<LooseMessage> {
  /** The server's name for it, known with the first frame. */
  sid = '';
  readonly userId = '';
  readonly #socket: WebSocket;
  readonly #protocol: Protocol;
  readonly #parse: (frame: ProtoMsg) => LooseMessage;
  readonly #ending = new AbortController();
  readonly #inbox: Inbox<LooseMessage>;
  #waiting: (() => void)[] = [];

  constructor(socket: WebSocket, protocol: Protocol) {
    this.#socket = socket;
    this.#protocol = protocol;
    this.#parse = messageParser(protocol);
    this.#inbox = new Inbox({
      high: 1024 * 1024,
      low: 256 * 1024,
      congested: (yes) => (yes ? socket.pause() : socket.resume()),
    });
    const stopWatch = watch(socket);
    socket.on('message', (data: RawData) => this.#receive(data as Buffer));
    socket.on('error', (error) => this.#end(new CodedError('connection', `connection lost: ${messageOf(error)}`)));
    socket.once('close', (code, reason) => {
      stopWatch();
      const why = reason.toString() || (code === 1006 ? 'the server does not answer' : `closed with code ${code}`);
      this.#end(new CodedError('connection', `connection lost: ${why}`));
    });
  }

  get signal(): AbortSignal {
    return this.#ending.signal;
  }

  send(message: LooseMessage): boolean {
    if (this.signal.aborted) return false;
    this.#socket.send(encode(toFrame(this.#protocol, message, this.sid)), this.#written);
    return this.#socket.bufferedAmount < full;
  }

  drained(): Promise<void> {
    if (this.signal.aborted || this.#socket.bufferedAmount < full) return Promise.resolve();
    return new Promise((resolve) => this.#waiting.push(resolve));
  }

  [Symbol.asyncIterator](): AsyncIterator<LooseMessage> {
    return this.#inbox[Symbol.asyncIterator]();
  }

  close(): void {
    this.#end(new CodedError('closed', 'closed'));
    this.#socket.resume();
    this.#socket.close(1000);
    setTimeout(() => this.#socket.terminate(), 1000).unref();
  }

  onLink(): () => void {
    return () => {};
  }

  #receive(data: Buffer): void {
    try {
      const frame = decode(data);
      const { proto, sid } = frame.hdr;
      if (sid) this.sid = sid;
      if (proto === ProtoType.Control) this.#control(frame);
      else if (proto === this.#protocol.number) this.#inbox.push(this.#parse(frame), data.length);
    } catch (error) {
      this.#end(new CodedError('invalid_frame', `the server sent what is no message: ${messageOf(error)}`));
      this.#socket.close(1007);
    }
  }

  #control({ hdr, body }: ProtoMsg): void {
    if (hdr.typ === 'ping') this.#socket.send(encode(toFrame(control, { typ: 'pong' }, this.sid)));
    if (hdr.typ !== 'error') return;
    const { err, close, msgproto } = errorBody(body && narrow(unpack(body)));
    // What is said of our own protocol (it is off on the device, it is not ours to use) no message of it will answer.
    if (close || msgproto === this.#protocol.number) this.#end(new CodedError(close ? 'device' : 'refused', err));
  }

  readonly #written = (): void => {
    if (this.#waiting.length > 0 && this.#socket.bufferedAmount <= low) this.#release();
  };

  /** What has arrived may still be read: a shell's last words come before the loss of the link. */
  #end(reason: CodedError): void {
    if (this.signal.aborted) return;
    this.#ending.abort(reason);
    this.#inbox.finish();
    this.#release();
  }

  #release(): void {
    const waiting = this.#waiting;
    this.#waiting = [];
    for (const resolve of waiting) resolve();
  }
}

function socketUrl(server: string | URL, deviceId: string): URL {
  const url = new URL(server);
  const base = url.pathname.replace(/\/+$/, '');
  url.pathname = `${base}/api/management/v1/deviceconnect/devices/${encodeURIComponent(deviceId)}/connect`;
  url.protocol = url.protocol === 'https:' ? 'wss:' : 'ws:';
  return url;
}

/** Resolves when it is open; rejects with the server's text if it refuses. */
function opened(socket: WebSocket): Promise<void> {
  return new Promise((resolve, reject) => {
    socket.once('open', resolve);
    socket.once('error', (error) => reject(new CodedError('connection', messageOf(error), { cause: error })));
    socket.once('unexpected-response', (request, response) => {
      const chunks: Buffer[] = [];
      let size = 0;
      response.on('data', (chunk: Buffer) => (size += chunk.length) < 65_536 && chunks.push(chunk));
      response.once('close', () => {
        request.destroy();
        reject(refusal(response.statusCode ?? 0, utf8.decode(Buffer.concat(chunks))));
      });
    });
  });
}

function refusal(status: number, body: string): CodedError {
  let text = `the server answered ${status}`;
  try {
    const { error } = JSON.parse(body) as { error?: unknown };
    if (typeof error === 'string') text = error;
  } catch {
    // No JSON, as a proxy in between answers: the status must do.
  }
  const codes: Readonly<Record<number, string>> = { 401: 'unauthorized', 403: 'forbidden', 404: 'not_found' };
  return new CodedError(codes[status] ?? 'refused', text);
}

/** Pings, and gives up a server that is silent. */
function watch(socket: WebSocket): () => void {
  let heard = performance.now();
  const alive = (): void => void (heard = performance.now());
  for (const sign of ['open', 'message', 'ping', 'pong'] as const) socket.on(sign, alive);
  const timer = setInterval(() => {
    // While we do not read there is nothing to be heard.
    if (socket.isPaused) alive();
    if (performance.now() - heard > deadAfter - pingEvery) socket.terminate();
    else if (socket.readyState === WebSocket.OPEN) socket.ping();
  }, pingEvery);
  return () => clearInterval(timer);
}
