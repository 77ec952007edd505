import type { Finding } from './judge.ts';
import type { State } from './ledger.ts';
import type { FollowHost } from './watched.ts';

/** Bad from a match on, well again when there was none for a while, if anything ends it but a person. */
export class Expiry implements Disposable {
  readonly #host: FollowHost;
  readonly #seconds: number;
  readonly #end: () => Finding;
  #off: (() => void) | undefined;
  #at: number | undefined;
  #saying = false;

  /** `seconds` 0: never. What the host remembers has `matched`, the time of the last match. */
  constructor(host: FollowHost, seconds: number, end: () => Finding) {
    this.#host = host;
    this.#seconds = seconds;
    this.#end = end;
    const matched = host.memory?.['matched'];
    if (host.level() === 'OK' || typeof matched !== 'number') return;
    this.#at = matched;
    // A clock that was set meanwhile says nothing: then it begins anew.
    const gone = Date.now() - matched;
    this.#arm(gone >= 0 && gone <= seconds * 1000 ? seconds * 1000 - gone : gone < 0 ? seconds * 1000 : 0);
  }

  get bad(): boolean {
    return this.#saying || this.#host.level() !== 'OK';
  }

  /** When it was matched last: part of what is remembered. */
  get memory(): State {
    return this.#at === undefined ? {} : { matched: this.#at };
  }

  /** Says it if it is new. */
  async matched(finding: Finding, memory?: () => State): Promise<void> {
    this.again();
    const all = (): State => ({ ...memory?.(), ...this.memory });
    if (this.bad && this.#host.level() !== 'UNKNOWN') return this.#host.note(all());
    this.#saying = true;
    try {
      await this.#host.say(finding, all());
    } finally {
      this.#saying = false;
    }
  }

  /** One more match while it is bad: it stays so for longer. */
  again(): void {
    this.#at = Date.now();
    this.#arm(this.#seconds * 1000);
  }

  [Symbol.dispose](): void {
    this.#off?.();
  }

  #arm(ms: number): void {
    this.#off?.();
    this.#off = undefined;
    if (this.#seconds === 0) return;
    this.#off = this.#host.rounds.in(ms, () => {
      this.#off = undefined;
      if (this.#host.level() === 'OK') return;
      void this.#host.say(this.#end());
    });
  }
}
