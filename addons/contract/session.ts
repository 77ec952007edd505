/** One session of one add-on, the same for its device, web and cli halves. Ends when the iteration ends. */
export interface Session<M> extends AsyncIterable<M> {
  readonly sid: string;
  /** Who is at the other end: the user's id as the server stamped it; empty if no server did. */
  readonly userId: string;
  /** Aborts when the session ends; a lost socket only suspends a session that may resume. */
  readonly signal: AbortSignal;
  /** False: the socket is full or away, await `drained()` before the next. Messages after the end are dropped. */
  send(message: M): boolean;
  /** There is room, or the session is over; never rejects. */
  drained(): Promise<void>;
}
