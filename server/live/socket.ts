import type { Server as HttpServer } from 'node:http';
import { Server } from 'socket.io';
import { messageOf } from '#base/errors';
import type { Log } from '#base/log';
import { livePath, type LiveEvents } from '#proto/http/live';
import type { Permission } from '#proto/http/users';
import type { TokenVerifier } from '../http/guard.ts';
import type { Live } from './live.ts';

/** What one has to be allowed to read to be told. */
const needs: Readonly<Record<keyof LiveEvents, Permission>> = {
  device: 'devices:read',
  presence: 'devices:read',
  inventory: 'inventory:read',
  deployment: 'deployments:read',
  release: 'releases:read',
  addon: 'devices:read',
  session: 'sessions:read',
};

export interface LiveSockets extends Live {
  /** Ends what a user watches, with one of his logins, or everybody: rights are gone or have changed. */
  disconnectUser(userId: string): void;
  disconnectLogin(tokenId: string): void;
  disconnectAll(): void;
  close(): Promise<void>;
}

/** Tells of an event where nobody can find it any more, or where it is. */
type PlacesOf = (event: keyof LiveEvents, data: never) => Promise<readonly string[]>;

/**
 * socket.io for browsers: they are told names of what changed, each by his permissions and where he has them, never
 * session bytes. Whoever is confined to some groups or tags is told of what lies there (CVE-2025-49603).
 */
export function liveSockets(server: HttpServer, verify: TokenVerifier, places: PlacesOf, log: Log): LiveSockets {
  const io = new Server<Record<string, never>, LiveEvents>(server, {
    path: livePath,
    serveClient: false,
    maxHttpBufferSize: 4096,
    // The relay has sockets of its own on this server.
    destroyUpgrade: false,
    perMessageDeflate: false,
  });
  /** Watchers for whom the places of each event must be looked up. */
  let confined = 0;
  io.use((socket, next) => {
    const token: unknown = socket.handshake.auth['token'];
    verify.user(typeof token === 'string' ? token : '').then(
      async (user) => {
        if (!user) return next(new Error('unauthorized'));
        const rooms = [...user.permissions].flatMap((permission) => {
          const scope = user.permissions.scope(permission);
          return scope === 'all' ? [everywhere(permission)] : scope.map((place) => somewhere(permission, place));
        });
        if (rooms.some((room) => room.startsWith('in:'))) {
          confined++;
          socket.once('disconnect', () => void confined--);
        }
        await socket.join([`user:${user.id}`, `login:${user.tokenId}`, ...rooms]);
        next();
      },
      () => next(new Error('unavailable')),
    );
  });
  return {
    tell(event, ...data) {
      io.to(everywhere(needs[event])).emit(event, ...data);
      if (confined === 0) return;
      places(event, data[0] as never).then(
        (found) => tellIn(found, event, data),
        (error: unknown) => log.error('watchers not told', { event, error: messageOf(error) }),
      );
    },
    tellOf(found, event, ...data) {
      io.to(everywhere(needs[event])).emit(event, ...data);
      tellIn(found, event, data);
    },
    disconnectUser(userId) {
      io.in(`user:${userId}`).disconnectSockets(true);
    },
    disconnectLogin(tokenId) {
      io.in(`login:${tokenId}`).disconnectSockets(true);
    },
    disconnectAll() {
      io.disconnectSockets(true);
    },
    close: () => io.close(),
  };

  function tellIn<E extends keyof LiveEvents>(found: readonly string[], event: E, data: Parameters<LiveEvents[E]>) {
    // To no room at all would be to everybody.
    if (found.length > 0) io.to(found.map((place) => somewhere(needs[event], place))).emit(event, ...data);
  }
}

const everywhere = (permission: Permission): string => `may:${permission}`;
const somewhere = (permission: Permission, place: string): string => `in:${permission}:${place}`;
