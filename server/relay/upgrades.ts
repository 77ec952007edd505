import { randomUUID } from 'node:crypto';
import type { IncomingMessage } from 'node:http';
import type { Duplex } from 'node:stream';
import { WebSocketServer, type WebSocket } from 'ws';
import {
  extensionsHeader,
  flowExtension,
  frameLimit,
  framesExtension,
  hasExtension,
  newsExtension,
  resumeExtension,
} from '#proto';
import { HttpError } from '../errors.ts';
import { Heartbeat, type HeartbeatTimes } from './heartbeat.ts';

/** A request for a socket, not answered yet: what the server's `upgrade` event brings. */
export interface Upgrade {
  readonly req: IncomingMessage;
  readonly socket: Duplex;
  readonly head: Buffer;
}

const ours = [flowExtension, framesExtension, newsExtension, resumeExtension];

/** Makes WebSockets of requests, and watches each from then on: one that is silent is ended. */
export class Upgrades {
  readonly #heartbeat: Heartbeat;
  readonly #server = new WebSocketServer({
    noServer: true,
    perMessageDeflate: false,
    maxPayload: frameLimit,
    clientTracking: false,
  });
  #stopped = false;

  constructor(times?: HeartbeatTimes) {
    this.#heartbeat = new Heartbeat(times);
    this.#server.on('headers', (headers: string[], req: IncomingMessage & { asked?: string }) => {
      if (req.asked) headers.push(`Sec-WebSocket-Protocol: ${req.asked}`);
      const known = ours.filter((name) => hasExtension(req.headers[extensionsHeader], name));
      if (known.length > 0) headers.push(`${extensionsHeader}: ${known.join(', ')}`);
    });
  }

  /** Throws an HttpError: `unavailable` after `stop`, or `bad_request` where the peer goes meanwhile. */
  async accept({ req, socket, head }: Upgrade): Promise<WebSocket> {
    if (this.#stopped) throw new HttpError('unavailable', 'the server is stopping');
    // The reference's subprotocol has a slash, which no header may have: ws would refuse the handshake (H-79).
    const asked = req.headers['sec-websocket-protocol'];
    if (asked === 'protomsg/msgpack') {
      delete req.headers['sec-websocket-protocol'];
      Object.assign(req, { asked });
    }
    const opened = await this.#handshake(req, socket, head);
    this.#heartbeat.watch(opened);
    return opened;
  }

  /** From here on none is accepted. */
  stop(): void {
    this.#stopped = true;
    this.#heartbeat.stop();
  }

  #handshake(req: IncomingMessage, socket: Duplex, head: Buffer): Promise<WebSocket> {
    return new Promise((resolve, reject) => {
      const broken = (): void => reject(new HttpError('bad_request', 'the handshake was broken off'));
      socket.once('close', broken);
      this.#server.handleUpgrade(req, socket, head, (opened) => {
        // It would keep the request, and with it some KiB, as long as the socket lives.
        socket.off('close', broken);
        resolve(opened);
      });
    });
  }
}

/** By which the log and the answer name a request. */
export const requestId = (req: IncomingMessage & { requestId?: string }): string => (req.requestId ??= randomUUID());
