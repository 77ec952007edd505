import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { createServer, isIPv6, type AddressInfo, type Socket } from 'node:net';
import { CodedError, codeOf, messageOf } from '#base/errors';
import type { Channel, Link } from './link.ts';
import type { Spec } from './spec.ts';
import { TcpChannel } from './tcp.ts';
import { UdpChannel } from './udp.ts';

/** A stock device knows no half-close: after our end an answer has this long to come, ms, counted from its last piece. */
const answerTime = 2000;
/** A sender of datagrams who is silent for this long is forgotten, ms. */
const quietTime = 600_000;
/** Senders of datagrams at one port, at a time. */
const senderLimit = 256;

export type Tell = (line: string) => void;

/** One open port of this machine. */
export interface Listener {
  readonly port: number;
  close(): void;
}

/** Listens as a specification says; each connection is given to the link of that moment. */
export async function listen(spec: Spec, address: string, link: () => Link | undefined, tell: Tell): Promise<Listener> {
  try {
    return await (spec.protocol === 'tcp' ? listenTcp : listenUdp)(spec, address, link, tell);
  } catch (error) {
    throw cannotListen(spec, address, error);
  }
}

async function listenTcp(spec: Spec, host: string, link: () => Link | undefined, tell: Tell): Promise<Listener> {
  const sockets = new Set<Socket>();
  const server = createServer({ allowHalfOpen: true }, (socket) => {
    sockets.add(socket);
    socket.once('close', () => sockets.delete(socket));
    const now = link();
    if (now) void joinTcp(now, socket, spec, tell);
    else socket.destroy();
  });
  server.listen(spec.local, host);
  await once(server, 'listening');
  return {
    port: (server.address() as AddressInfo).port,
    close() {
      server.close();
      for (const socket of sockets) socket.destroy();
    },
  };
}

/** Joins a socket of this machine with a host at the device. Resolves when it is over; false: the device refused it. */
export function joinTcp(
  link: Link,
  socket: Socket,
  { host, remote }: Pick<Spec, 'host' | 'remote'>,
  tell: Tell,
): Promise<boolean> {
  const over = Promise.withResolvers<boolean>();
  link.open('tcp', host, remote, (id): Channel => {
    let waits = true;
    let extended = false;
    let farewell: NodeJS.Timeout | undefined;
    const done = (well: boolean): void => {
      clearTimeout(farewell);
      over.resolve(well);
    };
    const channel = new TcpChannel({
      id,
      socket,
      wire: link.session,
      answered: false,
      localEnd() {
        if (extended) return;
        farewell = setTimeout(() => {
          link.close(id, true);
          void channel.stop().then(() => done(true));
        }, answerTime);
      },
      closed() {
        link.close(id, true);
        done(true);
      },
    });
    return {
      get waits() {
        return waits;
      },
      accepted(peer, ours) {
        waits = false;
        extended = peer !== undefined;
        if (peer) channel.extend(peer, ours);
        else channel.answered();
      },
      refused(why) {
        waits = false;
        tell(`${host}:${remote}: ${why}`);
        channel.destroy();
        done(false);
      },
      take(body) {
        farewell?.refresh();
        return channel.take(body);
      },
      acknowledge: (received) => channel.acknowledge(received),
      peerEnded: () => channel.peerEnded(),
      stopped() {
        clearTimeout(farewell);
        void channel.stop().then(() => done(true));
      },
    };
  });
  return over.promise;
}

async function listenUdp(spec: Spec, host: string, link: () => Link | undefined, tell: Tell): Promise<Listener> {
  const { host: remoteHost, remote } = spec;
  const socket = createSocket(isIPv6(host) ? 'udp6' : 'udp4');
  /** One flow a sender, so that each gets his own answers. */
  const flows = new Map<string, (datagram: Uint8Array) => void>();
  socket.bind(spec.local, host);
  await once(socket, 'listening');
  socket.on('error', (error) => tell(`${remoteHost}:${remote}: ${messageOf(error)}`));
  socket.on('message', (datagram, { address, port }) => {
    const sender = `${address} ${port}`;
    const now = link();
    if (!flows.has(sender) && now && flows.size < senderLimit) flow(now, sender, address, port);
    flows.get(sender)?.(datagram);
  });
  function flow(link: Link, sender: string, address: string, port: number): void {
    link.open('udp', remoteHost, remote, (id): Channel => {
      let waits = true;
      const channel = new UdpChannel({
        id,
        wire: link.session,
        transmit: (body, done) => socket.send(body, port, address, () => done()),
      });
      const end = (): void => {
        clearTimeout(quiet);
        channel.end();
        flows.delete(sender);
      };
      const quiet = setTimeout(() => {
        end();
        link.close(id, true);
      }, quietTime);
      flows.set(sender, (datagram) => {
        quiet.refresh();
        channel.arrived(datagram);
      });
      return {
        get waits() {
          return waits;
        },
        accepted(peer, ours) {
          waits = false;
          if (peer) channel.extend(peer, ours);
        },
        refused(why) {
          tell(`${remoteHost}:${remote}: ${why}`);
          end();
        },
        take: (body) => channel.take(body),
        acknowledge: (received) => channel.acknowledge(received),
        peerEnded: () => undefined,
        stopped: end,
      };
    });
  }
  return { port: socket.address().port, close: () => void socket.close() };
}

function cannotListen({ local, protocol }: Spec, address: string, error: unknown): CodedError {
  const why: Readonly<Record<string, string>> = {
    EADDRINUSE: `something listens there already: name another port before it, such as ${local === 0 ? 8080 : (local % 50_000) + 10_000}:${local}`,
    EACCES: `ports below 1024 are for root: name another port before it, such as ${local + 8000}:${local}`,
    EADDRNOTAVAIL: 'this machine has no such address',
  };
  const reason = why[codeOf(error) ?? ''] ?? messageOf(error);
  return new CodedError('listen', `cannot listen on ${protocol} ${address}:${local}: ${reason}`, { cause: error });
}
