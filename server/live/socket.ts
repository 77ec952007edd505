import type { Server as HttpServer } from 'node:http';
import { Server } from 'socket.io';
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
  session: 'sessions:read',
};

export interface LiveSockets extends Live {
  /** Ends what a user watches: his rights are gone or have changed. */
  disconnectUser(userId: string): void;
  close(): Promise<void>;
}

/** socket.io for browsers: they are told names of what changed, each by his permissions, never session bytes. */
export function liveSockets(server: HttpServer, verify: TokenVerifier): LiveSockets {
  const io = new Server<Record<string, never>, LiveEvents>(server, {
    path: livePath,
    serveClient: false,
    maxHttpBufferSize: 4096,
    // The relay has sockets of its own on this server.
    destroyUpgrade: false,
    perMessageDeflate: false,
  });
  io.use((socket, next) => {
    const token: unknown = socket.handshake.auth['token'];
    verify.user(typeof token === 'string' ? token : '').then(
      async (user) => {
        if (!user) return next(new Error('unauthorized'));
        await socket.join([`user:${user.id}`, ...[...user.permissions].map((permission) => `may:${permission}`)]);
        next();
      },
      () => next(new Error('unavailable')),
    );
  });
  return {
    tell(event, ...data) {
      io.to(`may:${needs[event]}`).emit(event, ...data);
    },
    disconnectUser(userId) {
      io.in(`user:${userId}`).disconnectSockets(true);
    },
    close: () => io.close(),
  };
}
