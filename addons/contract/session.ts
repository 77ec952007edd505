import type { Participant } from '#proto';

/** One session of one add-on, the same for its device, web and cli halves. Ends when the iteration ends. */
export interface Session<M> extends AsyncIterable<M> {
  readonly sid: string;
  /** Who is at the other end: the user's id as the server stamped it; empty if no server did. */
  readonly userId: string;
  /**
   * Aborts when the session ends; its `reason` is an Error whose message a person can read. A lost socket only
   * suspends a session that may resume.
   */
  readonly signal: AbortSignal;
  /**
   * Takes the message in any case, to be sent in order. False: the socket is full or away, await `drained()` before
   * the next. Messages after the end are dropped.
   */
  send(message: M): boolean;
  /** There is room, or the session is over; never rejects. */
  drained(): Promise<void>;
  /**
   * Calls back with false when the link to the other end is lost, or is away already, and with true when the session
   * goes on over a new one; gives back how to stop listening. A session that cannot resume ends instead (`signal`).
   */
  onLink(listener: (up: boolean) => void): () => void;
}

/** The person's end of a session, in a browser or a terminal: whoever opened it may end it. */
export interface OperatorSession<M> extends Session<M> {
  /** Ends the session. The host tells the device. */
  close(): void;
  /**
   * Calls back with everybody who is at this terminal, and which of them is the person here, whenever that changes.
   * Never where the server does not say.
   */
  onPeople?(listener: (people: readonly Participant[], self: number) => void): () => void;
  /**
   * For a page that is about to be unloaded: what `openSession` of another one needs to go on with this session, whose
   * messages were taken up to here; this end is then over. Undefined: it cannot go on.
   */
  freeze?(): string | undefined;
}
