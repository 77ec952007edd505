import { WebSocket, type ClientOptions, type RawData } from 'ws';
import { CodedError, messageOf } from '#base/errors';
import type { OperatorSession } from '#addon/cli';
import { extensionsHeader, frameLimit, hasExtension, openOperator, resumeExtension } from '#proto';
import type { OperatorTimes, Protocol, SocketEvents } from '#proto';
import { messageParser } from '#proto/validate';

export interface OpenOptions {
  /** The server's address, `http(s)://…`; a path of it is kept, for servers behind a proxy. */
  readonly server: string | URL;
  readonly token: string;
  readonly deviceId: string;
  readonly protocol: Protocol;
  /** The session is to outlive a lost link. */
  readonly resume?: boolean;
  /** A session of somebody else at which to sit down. */
  readonly join?: string;
  /** Certificates, an agent. */
  readonly client?: ClientOptions;
  readonly times?: Partial<OperatorTimes>;
}

/** Between two pings, and how long a server may be silent, ms. */
const pingEvery = 20_000;
const deadAfter = 50_000;
/** Bytes that wait for the network before `send` asks to wait. */
const full = 64 * 1024;

const utf8 = new TextDecoder();

/** Opens a session with a device; throws a CodedError that says what the server said. */
export async function openSession<M>(options: OpenOptions): Promise<OperatorSession<M>> {
  const session = await openOperator({
    protocol: options.protocol,
    parse: messageParser(options.protocol),
    full,
    dial: (sid, events) => dial(options, sid, events),
    ...(options.times ? { times: options.times } : {}),
  });
  return session as unknown as OperatorSession<M>;
}

/** One socket of a session. */
async function dial(options: OpenOptions, sid: string | undefined, events: SocketEvents): Promise<void> {
  const url = socketUrl(options.server, options.deviceId);
  const resume = options.resume === true && options.join === undefined;
  if (sid !== undefined && resume) url.searchParams.set('session', sid);
  if (options.join !== undefined) url.searchParams.set('join', options.join);
  const socket = new WebSocket(url, {
    ...options.client,
    headers: {
      Authorization: `Bearer ${options.token}`,
      ...(resume || options.join !== undefined ? { [extensionsHeader]: resumeExtension } : {}),
    },
    perMessageDeflate: false,
    // A mask guards browsers against what their pages send; here it would cost each byte a turn on both ends.
    generateMask: (mask: Buffer) => mask.fill(0),
    maxPayload: frameLimit,
    handshakeTimeout: 30_000,
  });
  const stopWatch = watch(socket);
  let why = '';
  let resumes = false;
  socket.on('upgrade', ({ headers }) => (resumes = hasExtension(headers[extensionsHeader], resumeExtension)));
  // With the event, not after it: the server's first frame may come in one piece with its answer.
  socket.once('open', () =>
    events.opened(
      {
        get buffered() {
          return socket.bufferedAmount;
        },
        send: (frame) => socket.send(frame, () => events.written()),
        close: (code) => closeSoon(socket, code),
        pause: (yes) => (yes ? socket.pause() : socket.resume()),
      },
      resumes,
    ),
  );
  socket.on('message', (data: RawData) => events.message(data as Buffer));
  socket.on('error', (error) => (why = messageOf(error)));
  socket.once('close', (code, reason) => {
    stopWatch();
    why = reason.toString() || why || (code === 1006 ? 'the server does not answer' : `closed with code ${code}`);
    events.closed(code, new CodedError('connection', `connection lost: ${why}`));
  });
  await opened(socket);
}

function closeSoon(socket: WebSocket, code: number): void {
  socket.resume();
  socket.close(code);
  setTimeout(() => socket.terminate(), 1000).unref();
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
    socket.once('close', () => reject(new CodedError('connection', 'the connection was broken off')));
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
  // A proxy whose server restarts, or one that has too much to do: later it may be otherwise.
  return new CodedError(codes[status] ?? (passing.has(status) ? 'connection' : 'refused'), text);
}

const passing = new Set([408, 429, 500, 502, 503, 504]);

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
