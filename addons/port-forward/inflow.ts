import { Receipts } from '#base/receipts';
import type { Room } from '#proto';
import type { Wire } from './outflow.ts';

/** A stock peer has one message under way; this much more shows that the peer keeps to no rule. */
const tolerated = 1024 * 1024;

/** The other direction: what the peer sent and this end has not taken yet, and the acknowledgement of it. */
export class Inflow {
  readonly #id: string;
  readonly #wire: Wire;
  #granted: Room | undefined;
  #receipts: Receipts | undefined;
  #arrived = 0;
  #taken = 0;

  constructor(id: string, wire: Wire) {
    this.#id = id;
    this.#wire = wire;
  }

  /** The peer is one of ours, and may have this much under way. */
  extend(granted: Room): void {
    this.#granted = granted;
    const tell = (received: number): void =>
      void this.#wire.send({ typ: 'ack', props: { connection_id: this.#id, received } });
    this.#receipts = new Receipts(granted.window / 4, tell, this.#taken);
  }

  /** False: it is more than was agreed on. */
  arrive(size: number): boolean {
    this.#arrived += size;
    return this.#arrived - this.#taken <= (this.#granted?.window ?? 0) + tolerated;
  }

  /** One message is where it should go. A stock peer is told of each (F-57). */
  take(size: number): void {
    this.#taken += size;
    if (this.#receipts) this.#receipts.take(size);
    else this.#wire.send({ typ: 'ack', props: { connection_id: this.#id } });
  }

  /** The connection is over: nothing is owed any more. */
  end(): void {
    this.#receipts?.end();
  }
}
