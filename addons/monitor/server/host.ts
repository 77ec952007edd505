import type { ServerHost } from '#addon/server';

/** What of the server this needs: no sessions. */
export type Host = Omit<ServerHost, 'openSession'>;
