import { control, encode, toFrame } from '#proto';
import type { AddonSession } from './session.ts';
import type { Wire } from './wire.ts';

/**
 * Add-ons that fall behind. A server that knows how pauses that one session; with any other the whole socket stands
 * still, for a time that is bounded, because the others wait as well.
 */
export class Stalls {
  readonly #wire: Wire;
  readonly #patience: number;
  readonly #over: (session: AddonSession) => void;
  readonly #waiting = new Map<AddonSession, NodeJS.Timeout>();

  /** `patience` in ms; `over` is told of a session that has used it up. */
  constructor(wire: Wire, patience: number, over: (session: AddonSession) => void) {
    this.#wire = wire;
    this.#patience = patience;
    this.#over = over;
  }

  set(session: AddonSession, behind: boolean): void {
    if (this.#wire.flow) {
      this.#wire.send(encode(toFrame(control, { typ: behind ? 'pause' : 'resume' }, session.sid)));
      return;
    }
    clearTimeout(this.#waiting.get(session));
    this.#waiting.delete(session);
    if (behind) {
      this.#waiting.set(
        session,
        setTimeout(() => this.#over(session), this.#patience),
      );
      this.#wire.pause();
    } else if (this.#waiting.size === 0) this.#wire.resume();
  }
}
