import type { Room, Terms } from '#proto';
import { Inflow } from './inflow.ts';
import { Outflow, type Wire } from './outflow.ts';

/** Bytes of datagrams that wait for the peer: what comes beyond is dropped, as a full queue of a network does. */
const queueLimit = 1024 * 1024;

export interface UdpOptions {
  readonly id: string;
  readonly wire: Wire;
  /** Sends a datagram on this side; calls back when it is gone, or lost. */
  readonly transmit: (body: Uint8Array, done: () => void) => void;
}

/** One forwarded UDP flow, the same on both sides: datagrams keep their boundaries, one a message. */
export class UdpChannel {
  readonly #options: UdpOptions;
  readonly #out: Outflow;
  readonly #in: Inflow;

  constructor(options: UdpOptions) {
    this.#options = options;
    this.#out = new Outflow(options.id, options.wire, true, () => undefined);
    this.#in = new Inflow(options.id, options.wire);
  }

  extend(peer: Terms, ours: Room): void {
    this.#in.extend(ours);
    this.#out.extend(peer);
  }

  /** A `forward`. False: the peer sends more than was agreed on. */
  take(body: Uint8Array): boolean {
    if (!this.#in.arrive(body.length)) return false;
    this.#options.transmit(body, () => this.#in.take(body.length));
    return true;
  }

  acknowledge(received: number | undefined): void {
    this.#out.acknowledge(received);
  }

  end(): void {
    this.#in.end();
  }

  /** A datagram that arrived on this side; cut to what the peer's messages hold. */
  arrived(datagram: Uint8Array): void {
    if (this.#out.waiting < queueLimit) this.#out.push(datagram.subarray(0, this.#out.largest));
  }
}
