import type { OperatorSession } from '#addon/session';
import type { MessageOf } from '#proto';
import type { shell } from './protocol.ts';

type Message = MessageOf<typeof shell>;

/** A session whose device is the test. */
export class Line implements OperatorSession<Message> {
  readonly sid = 's';
  readonly userId = '';
  readonly sent: Message[] = [];
  closed = false;
  readonly #ending = new AbortController();
  readonly #queue: Message[] = [];
  #wake: () => void = () => {};
  #change: () => void = () => {};
  readonly signal = this.#ending.signal;
  say(...messages: Message[]): void {
    this.#queue.push(...messages);
    this.#wake();
  }
  lose(why: string): void {
    this.#ending.abort(new Error(why));
    this.#wake();
  }
  async heard(what: (message: Message) => boolean): Promise<Message> {
    for (;;) {
      const found = this.sent.find(what);
      if (found) return found;
      await new Promise<void>((resolve) => (this.#change = resolve));
    }
  }
  send(message: Message): boolean {
    if (this.closed) return false;
    this.sent.push(message);
    this.#change();
    return true;
  }
  drained = (): Promise<void> => Promise.resolve();
  close(): void {
    this.closed = true;
  }
  onLink = (): (() => void) => () => {};
  async *[Symbol.asyncIterator](): AsyncGenerator<Message> {
    for (;;) {
      const next = this.#queue.shift();
      if (next) yield next;
      else if (this.signal.aborted) return;
      else await new Promise<void>((resolve) => (this.#wake = resolve));
    }
  }
}
