// A session without a network for the tests of this room: what the device half is given, and its peer's end of it.
import { Inbox } from '#base/inbox';
import type { Session } from '#addon/device';
import type { Message } from './protocol.ts';

export class TestSession implements Session<Message> {
  readonly sid = 'a1b2';
  readonly userId = 'ann';
  readonly #ending = new AbortController();
  readonly #inbox = new Inbox<Message>({ high: 1e9, low: 1, congested: () => undefined });
  readonly #waiting: { holds: (message: Message) => boolean; found: (message: Message) => void }[] = [];
  /** All that the half said. */
  readonly said: Message[] = [];
  /** Called for each, at once. */
  heard: (message: Message) => void = () => undefined;

  get signal(): AbortSignal {
    return this.#ending.signal;
  }

  send(message: Message): boolean {
    this.said.push(message);
    this.heard(message);
    const index = this.#waiting.findIndex(({ holds }) => holds(message));
    if (index >= 0) this.#waiting.splice(index, 1)[0]?.found(message);
    return true;
  }

  drained(): Promise<void> {
    return Promise.resolve();
  }

  [Symbol.asyncIterator](): AsyncIterator<Message> {
    return this.#inbox[Symbol.asyncIterator]();
  }

  /** A message of the peer. */
  tell(message: Message): void {
    this.#inbox.push(message, 1);
  }

  /** The next message of this type that was not taken yet, for this connection if named. */
  async answer<T extends Message['typ']>(typ: T, id?: string): Promise<Extract<Message, { typ: T }>> {
    const holds = (message: Message): boolean =>
      message.typ === typ && (id === undefined || message.props.connection_id === id);
    const index = this.said.findIndex(holds);
    const found =
      index >= 0 ? this.said[index]! : await new Promise<Message>((found) => this.#waiting.push({ holds, found }));
    this.said.splice(this.said.indexOf(found), 1);
    return found as Extract<Message, { typ: T }>;
  }

  end(): void {
    this.#ending.abort(new Error('over'));
    this.#inbox.end();
  }
}
