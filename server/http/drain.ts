import type { Server } from 'node:http';

/** Between two looks for connections that have nothing under way any more, ms. */
const between = 100;

/**
 * Refuses new connections and resolves when what is under way has ended; what has not after `grace` ms is cut. A connection
 * that is kept alive after its last answer is not waited for: Node looks for those but once.
 */
export async function drain(server: Server, grace: number): Promise<void> {
  const closed = new Promise<void>((resolve) => void server.close(() => resolve()));
  const idle = setInterval(() => server.closeIdleConnections(), between);
  const cut = setTimeout(() => server.closeAllConnections(), grace);
  await closed;
  clearInterval(idle);
  clearTimeout(cut);
}
