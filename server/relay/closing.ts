import type { WebSocket } from 'ws';

/**
 * Closes with a code and a reason (at most 123 bytes travel). A peer that has not answered after `patience`, ms, is
 * dropped: what waits for him goes before the close, so whoever is owed output gets longer.
 */
export function closeSoon(socket: WebSocket, code: number, reason: string, patience = 2000): void {
  if (socket.readyState === socket.CLOSED) return;
  // A paused socket would never see the answer.
  socket.resume();
  socket.close(code, Buffer.from(reason).subarray(0, 123).toString());
  setTimeout(() => socket.terminate(), patience).unref();
}
