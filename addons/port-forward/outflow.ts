import { Flight } from '#base/flight';
import { bodyChunk, type Terms } from '#proto';
import type { Message } from './protocol.ts';

/** What carries the messages of all connections of a session. */
export interface Wire {
  send(message: Message): boolean;
  drained(): Promise<void>;
}

/**
 * One direction of a connection, out of this end: what was read here and waits for the peer. A stock peer has one
 * message under way at a time (F-57), one of ours up to as many bytes as it granted.
 */
export class Outflow {
  readonly #id: string;
  readonly #wire: Wire;
  readonly #whole: boolean;
  readonly #changed: () => void;
  readonly #pieces: Uint8Array[] = [];
  #terms: Terms | undefined;
  #flight: Flight | undefined;
  #waiting = 0;
  #sent = 0;
  #unanswered = 0;
  #wireFull = false;

  /** `whole`: pieces are datagrams, never cut. `changed`: something was sent or acknowledged. */
  constructor(id: string, wire: Wire, whole: boolean, changed: () => void) {
    this.#id = id;
    this.#wire = wire;
    this.#whole = whole;
    this.#changed = changed;
  }

  /** Bytes that are not sent yet. */
  get waiting(): number {
    return this.#waiting;
  }

  /** All is sent, and a stock peer has taken all of it: it may be told the end. */
  get idle(): boolean {
    return this.#waiting === 0 && (this.#terms !== undefined || this.#unanswered === 0);
  }

  get largest(): number {
    return this.#terms?.chunk ?? bodyChunk;
  }

  /** The peer is one of ours. */
  extend(terms: Terms): void {
    this.#terms = terms;
    // What went before the peer had answered says nothing of the line.
    this.#flight = new Flight(terms.window, this.#sent, terms.prompt);
    this.#pump();
  }

  push(bytes: Uint8Array): void {
    this.#pieces.push(bytes);
    this.#waiting += bytes.length;
    this.#pump();
  }

  /** An `ack`, with what it says of the whole. One that nobody waits for changes nothing (F-58). */
  acknowledge(received: number | undefined): void {
    if (received === undefined) this.#unanswered = Math.max(0, this.#unanswered - 1);
    else this.#flight?.acknowledge(received);
    this.#pump();
    this.#changed();
  }

  #takes(bytes: number): boolean {
    return this.#flight ? this.#flight.takes(bytes) : this.#unanswered === 0;
  }

  #pump(): void {
    const before = this.#waiting;
    const largest = Math.min(this.largest, this.#flight?.piece ?? bodyChunk);
    for (let piece = this.#pieces[0]; piece && !this.#wireFull; piece = this.#pieces[0]) {
      const body = this.#whole ? piece : piece.subarray(0, largest);
      if (!this.#takes(body.length)) break;
      if (body.length === piece.length) this.#pieces.shift();
      else this.#pieces[0] = piece.subarray(body.length);
      this.#waiting -= body.length;
      this.#sent += body.length;
      this.#flight?.send(body.length);
      this.#unanswered++;
      if (!this.#wire.send({ typ: 'forward', props: { connection_id: this.#id }, body })) this.#wait();
    }
    if (this.#waiting !== before) this.#changed();
  }

  #wait(): void {
    this.#wireFull = true;
    void this.#wire.drained().then(() => {
      this.#wireFull = false;
      this.#pump();
    });
  }
}
