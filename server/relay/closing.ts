import type { WebSocket } from 'ws';

/** Closes with a code and a reason (at most 123 bytes travel); a peer that does not answer is dropped after 2 s. */
export function closeSoon(socket: WebSocket, code: number, reason: string): void {
  if (socket.readyState === socket.CLOSED) return;
  // A paused socket would never see the answer.
  socket.resume();
  socket.close(code, Buffer.from(reason).subarray(0, 123).toString());
  setTimeout(() => socket.terminate(), 2000).unref();
}
