import type { IncomingMessage } from 'node:http';
import type { Duplex } from 'node:stream';
import { WebSocketServer, type WebSocket } from 'ws';
import { pause } from '#base/backoff';
import { codeOf, messageOf } from '#base/errors';
import type { Log } from '#base/log';
import { encode, ProtoType, type ProtoHeader } from '#proto';
import { castBytes, castSize, type CastEvent, type CastHeader } from '#proto/cast';
import { deviceconnect } from '#proto/http/devices';
import { authorize, type TokenVerifier } from '../http/guard.ts';
import { checkOrigin } from '../relay/origin.ts';
import { refuse, refusalOf } from '../relay/refusal.ts';
import type { Recordings } from './recordings.ts';

const path = /^\/api\/management\/v1\/deviceconnect\/sessions\/([^/?]{1,128})\/playback$/;
export const playbackPath = `${deviceconnect}/sessions/{id}/playback`;

/** Between two messages, ms, unless the caller wants another pace (`sleep_ms`). */
const usualPace = 100;
/** Bytes of output in one message. */
const piece = 1024;
/** A pause is told from here on, and in one message up to there, ms. */
const shortest = 1500;
const longest = 65_535;
/** After the last message the socket stays open until the caller leaves, but not for ever, ms. */
const afterwards = 10 * 60_000;

export interface PlaybackOptions {
  readonly recordings: Recordings;
  readonly verify: TokenVerifier;
  readonly hostOf: (req: IncomingMessage) => string | undefined;
  readonly log: Log;
  readonly signal: AbortSignal;
}

/** The reference's playback of a recording over a WebSocket (`connect-protocol.md` §5.6). For `upgrade`; false: not its path. */
export function playbackUpgrade(options: PlaybackOptions) {
  const sockets = new WebSocketServer({
    noServer: true,
    perMessageDeflate: false,
    maxPayload: 4096,
    clientTracking: false,
  });
  return (req: IncomingMessage, socket: Duplex, head: Buffer): boolean => {
    const [asked = '', query] = (req.url ?? '').split('?', 2);
    const id = path.exec(asked)?.[1];
    if (id === undefined) return false;
    socket.on('error', () => socket.destroy());
    const open = async (): Promise<void> => {
      await authorize({ access: 'audit:read', path: playbackPath }, req, options.verify);
      checkOrigin(req, options.hostOf(req) ?? req.headers.host, []);
      // A subprotocol with a slash is none: ws would refuse the handshake.
      delete req.headers['sec-websocket-protocol'];
      const given = Number(new URLSearchParams(query).get('sleep_ms') ?? usualPace);
      const pace = Number.isFinite(given) ? Math.min(Math.max(given, 0), 10_000) : usualPace;
      sockets.handleUpgrade(req, socket, head, (opened) => {
        void play(opened, id, pace, options).catch((error: unknown) => {
          options.log.warn('playback failed', { id, error: messageOf(error) });
          opened.close(1011, 'the recording cannot be read');
        });
      });
    };
    open().catch((error: unknown) => {
      options.log.info('playback refused', { id, ...refusalOf(error) });
      refuse(socket, error, '');
    });
    return true;
  };
}

async function play(
  socket: WebSocket,
  id: string,
  pace: number,
  { recordings, signal }: PlaybackOptions,
): Promise<void> {
  const gone = new AbortController();
  socket.on('error', () => socket.terminate());
  socket.on('close', () => gone.abort());
  const left = AbortSignal.any([gone.signal, signal]);
  const say = async (hdr: Omit<ProtoHeader, 'proto' | 'sid'>, body?: Uint8Array): Promise<void> => {
    await new Promise<void>((resolve) =>
      socket.send(encode({ hdr: { proto: ProtoType.Shell, sid: id, ...hdr }, ...(body ? { body } : {}) }), () =>
        resolve(),
      ),
    );
    if (pace > 0) await pause(pace, left);
  };
  try {
    for await (const step of steps(recordings.events(id))) {
      if (left.aborted) break;
      if ('body' in step) await say({ typ: 'shell' }, step.body);
      else if ('cols' in step)
        await say({ typ: 'resize', props: { terminal_width: step.cols, terminal_height: step.rows } });
      else await say({ typ: 'delay', props: { delay_value: step.delay } });
    }
  } catch (error) {
    // Of a session that nobody recorded there is nothing to be seen, as in the reference.
    if (codeOf(error) !== 'not_found') throw error;
  }
  await pause(afterwards, left);
  socket.close(1000);
}

type Step = { body: Uint8Array } | { cols: number; rows: number } | { delay: number };

/** Output in pieces, pauses, and sizes. Output that came without a pause is one stream. */
async function* steps(events: AsyncIterable<CastHeader | CastEvent>): AsyncGenerator<Step> {
  let waiting = Buffer.alloc(0);
  let last = 0;
  const flush = function* (all: boolean): Generator<Step> {
    while (waiting.length >= (all ? 1 : piece)) {
      yield { body: waiting.subarray(0, piece) };
      waiting = waiting.subarray(piece);
    }
  };
  for await (const event of events) {
    if (!('time' in event)) {
      yield { cols: event.width, rows: event.height };
      continue;
    }
    const size = event.type === 'r' ? castSize(event) : undefined;
    const delay = Math.round((event.time - last) * 1000);
    last = event.time;
    if (delay >= shortest || size) yield* flush(true);
    if (delay >= shortest) yield { delay: Math.min(delay, longest) };
    if (size) yield size;
    if (event.type === 'o') waiting = Buffer.concat([waiting, castBytes(event.data)]);
    yield* flush(false);
  }
  yield* flush(true);
}
