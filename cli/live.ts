import { io } from 'socket.io-client';
import type { Change } from '#addon/cli';
import { livePath } from '#proto/http/live';
import { useradm } from '#proto/http/paths';
import { interrupted } from './failure.ts';
import { Refusal, type Http } from './http.ts';

/** ms between two tries to come back, at first and at most; a random half of it is added, so that not all come at once. */
const retry = { first: 500, most: 15_000 };

/** What the server tells of an add-on, as it comes. Ends by a throw: the program is stopped, or the login is not taken any more. */
export async function* changes(http: Http, addon: string): AsyncGenerator<Change> {
  const { server, token, insecure, signal } = http.options;
  const { origin, pathname } = new URL(server);
  const waiting: Change[] = [];
  let wake = (): void => undefined;
  const tell = (change: Change): void => {
    // One change of a device that nobody has looked at yet is as good as many.
    const known = 'device' in change && waiting.some((one) => 'device' in one && one.device === change.device);
    if (!known) waiting.push(change);
    wake();
  };
  const socket = io(origin, {
    path: `${pathname === '/' ? '' : pathname}${livePath}`,
    transports: ['websocket', 'polling'],
    auth: { token },
    reconnectionDelay: retry.first,
    reconnectionDelayMax: retry.most,
    rejectUnauthorized: !insecure,
    forceNew: true,
  });
  // A server that ends the link itself, or refuses it, is not asked again by the library.
  let again: ReturnType<typeof setTimeout> | undefined;
  const lost = (why: string): void => {
    tell({ link: 'down', why });
    if (socket.active) return;
    clearTimeout(again);
    again = setTimeout(() => socket.connect(), retry.first * (2 + Math.random()));
  };
  socket.on('connect', () => tell({ link: 'up' }));
  socket.on('disconnect', lost);
  socket.on('connect_error', (error) => lost(error.message));
  socket.on('addon', (event: { addon?: unknown; id?: unknown }) => {
    if (event?.addon === addon && typeof event.id === 'string') tell({ device: event.id });
  });
  const stop = (): void => wake();
  signal.addEventListener('abort', stop);
  try {
    for (;;) {
      if (signal.aborted) throw interrupted();
      const change = waiting.shift();
      if (!change) {
        await new Promise<void>((resolve) => (wake = resolve));
        continue;
      }
      if ('link' in change && change.link === 'down' && change.why === 'unauthorized') await ask(http);
      yield change;
    }
  } finally {
    signal.removeEventListener('abort', stop);
    clearTimeout(again);
    socket.close();
  }
}

/** Throws when the login is not taken any more; a server that is away says nothing. */
async function ask(http: Http): Promise<void> {
  try {
    await http.request('GET', `${useradm}/users/me`);
  } catch (error) {
    if (error instanceof Refusal && error.status === 401) throw error;
  }
}
