import { createSocket } from 'node:dgram';
import { lookup } from 'node:dns/promises';
import { connect, isIP, isIPv6 } from 'node:net';
import type { Room, Terms } from '#proto';
import { dialError } from './dial-error.ts';
import type { Wire } from './outflow.ts';
import { TcpChannel } from './tcp.ts';
import { UdpChannel } from './udp.ts';

export interface DialOptions {
  readonly id: string;
  readonly host: string;
  readonly port: number;
  readonly wire: Wire;
  /** The peer is one of ours: a quiet TCP connection is not given up. */
  readonly patient: boolean;
  readonly connected: () => void;
  readonly refused: (why: string) => void;
  /** It is over from the far side. */
  readonly closed: (error?: Error) => void;
}

/** A connection to a host that the device reaches. */
export interface Connection {
  extend(peer: Terms, ours: Room): void;
  /** False: the peer sends more than was agreed on. */
  take(body: Uint8Array): boolean;
  acknowledge(received: number | undefined): void;
  peerEnded(): void;
  stop(): Promise<void>;
  destroy(): void;
}

/** Without data from the remote host, ms: then it is over (PF-9). */
const quietTime = 600_000;
const dialTime = 60_000;

export function dialTcp(options: DialOptions): Connection {
  const { id, host, port, wire, patient } = options;
  const socket = connect({ host, port, allowHalfOpen: true });
  let up = false;
  let extended = false;
  const late = setTimeout(() => refuse(Object.assign(new Error('timed out'), { code: 'ETIMEDOUT' })), dialTime);
  const quiet = patient ? undefined : setTimeout(close, quietTime);
  socket.on('connect', () => {
    up = true;
    clearTimeout(late);
    options.connected();
  });
  socket.on('data', () => quiet?.refresh());
  socket.on('close', () => {
    clearTimeout(late);
    clearTimeout(quiet);
  });
  const channel = new TcpChannel({
    id,
    socket,
    wire,
    answered: true,
    localEnd() {
      // A stock peer knows one end, that of the whole connection.
      if (!extended) close();
    },
    closed: (error) => (up ? options.closed(error) : refuse(error)),
  });
  function close(): void {
    channel.destroy();
    options.closed();
  }
  function refuse(error: unknown): void {
    channel.destroy();
    options.refused(dialError('tcp', host, port, error));
  }
  return {
    extend: (peer, ours) => {
      extended = true;
      channel.extend(peer, ours);
    },
    take: (body) => channel.take(body),
    acknowledge: (received) => channel.acknowledge(received),
    peerEnded: () => channel.peerEnded(),
    stop: () => channel.stop(),
    destroy: () => channel.destroy(),
  };
}

export function dialUdp(options: DialOptions): Connection {
  const { id, host, port, wire } = options;
  let socket: ReturnType<typeof createSocket> | undefined;
  let over = false;
  const early: (() => void)[] = [];
  const channel = new UdpChannel({
    id,
    wire,
    transmit(body, done) {
      const send = (): void => (socket ? socket.send(body, () => done()) : undefined);
      if (socket) send();
      else early.push(send);
    },
  });
  const quiet = setTimeout(() => end(() => options.closed()), quietTime);
  void open();
  async function open(): Promise<void> {
    try {
      const address = isIP(host) ? host : (await lookup(host)).address;
      const made = createSocket(isIPv6(address) ? 'udp6' : 'udp4');
      // Nobody listens there, or not yet: as on a network, the next datagram may find somebody.
      made.on('error', () => undefined);
      made.on('message', (datagram) => {
        quiet.refresh();
        channel.arrived(datagram);
      });
      await new Promise<void>((resolve, reject) => {
        made.once('error', reject);
        made.connect(port, address, resolve);
      });
      if (over) return void made.close();
      socket = made;
      options.connected();
      for (const send of early.splice(0)) send();
    } catch (error) {
      end(() => options.refused(dialError('udp', host, port, error)));
    }
  }
  function end(tell?: () => void): void {
    if (over) return;
    over = true;
    clearTimeout(quiet);
    channel.end();
    socket?.close();
    tell?.();
  }
  return {
    extend: (peer, ours) => channel.extend(peer, ours),
    take: (body) => over || channel.take(body),
    acknowledge: (received) => channel.acknowledge(received),
    peerEnded: () => undefined,
    stop: () => Promise.resolve(end()),
    destroy: () => end(),
  };
}
