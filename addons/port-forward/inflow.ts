import type { Terms } from '#proto';
import type { Wire } from './outflow.ts';

/** A stock peer has one message under way; this much more shows that the peer keeps to no rule. */
const tolerated = 1024 * 1024;

/** The other direction: what the peer sent and this end has not taken yet, and the acknowledgement of it. */
export class Inflow {
  readonly #id: string;
  readonly #wire: Wire;
  #granted: Terms | undefined;
  #arrived = 0;
  #taken = 0;
  #told = 0;

  constructor(id: string, wire: Wire) {
    this.#id = id;
    this.#wire = wire;
  }

  /** The peer is one of ours, and may have this much under way. */
  extend(granted: Terms): void {
    this.#granted = granted;
  }

  /** False: it is more than was agreed on. */
  arrive(size: number): boolean {
    this.#arrived += size;
    return this.#arrived - this.#taken <= (this.#granted?.window ?? 0) + tolerated;
  }

  /** One message is where it should go. A stock peer is told of each (F-57), one of ours when a quarter is used up. */
  take(size: number): void {
    this.#taken += size;
    if (!this.#granted) return void this.#wire.send({ typ: 'ack', props: { connection_id: this.#id } });
    if (this.#taken - this.#told < this.#granted.window / 4) return;
    this.#told = this.#taken;
    this.#wire.send({ typ: 'ack', props: { connection_id: this.#id, received: this.#taken } });
  }
}
