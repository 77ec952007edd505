// For tests of a device half: a session without a network. What both ends say goes through the bytes of the wire.
import { Inbox } from '#base/inbox';
import { decode, encode, toFrame, type LooseMessage, type MessageOf, type Protocol } from '#proto';
import { messageParser } from '#proto/validate';
import type { Session } from './session.ts';

interface Loose {
  readonly typ: string;
  readonly props?: object;
  readonly body?: unknown;
}

export class TestSession<P extends Protocol, M extends Loose = MessageOf<P>> implements Session<M> {
  readonly sid = 'a1b2';
  readonly userId = 'ann';
  readonly #travel: (message: M) => M;
  readonly #ending = new AbortController();
  readonly #inbox = new Inbox<M>({ high: 1e9, low: 1, congested: () => undefined });
  #waiting: { holds: (message: M) => boolean; found: (message: M) => void }[] = [];
  /** All that the half said and nobody has taken. */
  readonly said: M[] = [];
  /** Called for each that it says, at once. */
  heard: (message: M) => void = () => undefined;

  constructor(protocol: P) {
    const parse = messageParser(protocol);
    this.#travel = (message) => parse(decode(encode(toFrame(protocol, message as LooseMessage)))) as unknown as M;
  }

  get signal(): AbortSignal {
    return this.#ending.signal;
  }

  send(sent: M): boolean {
    const message = this.#travel(sent);
    this.said.push(message);
    this.heard(message);
    const waiting = this.#waiting.find(({ holds }) => holds(message));
    this.#waiting = this.#waiting.filter((other) => other !== waiting);
    waiting?.found(message);
    return true;
  }

  drained(): Promise<void> {
    return Promise.resolve();
  }

  onLink(): () => void {
    return () => undefined;
  }

  [Symbol.asyncIterator](): AsyncIterator<M> {
    return this.#inbox[Symbol.asyncIterator]();
  }

  /** A message of the peer. */
  tell(message: M): void {
    this.#inbox.push(this.#travel(message), 1);
  }

  /** The next message of this type, or of these, that nobody has taken, with this connection if one is named. */
  async answer<T extends M['typ']>(typ: T | readonly T[], connection?: string): Promise<Extract<M, { typ: T }>> {
    const holds = (message: M): boolean =>
      [typ].flat().includes(message.typ as T) &&
      (connection === undefined || (message.props as { connection_id?: string }).connection_id === connection);
    const found =
      this.said.find(holds) ?? (await new Promise<M>((resolve) => this.#waiting.push({ holds, found: resolve })));
    this.said.splice(this.said.indexOf(found), 1);
    return found as Extract<M, { typ: T }>;
  }

  end(why = new Error('over')): void {
    this.#ending.abort(why);
    this.#inbox.end();
  }
}
