import { ProtoType, type ProtoMsg } from '#proto';
import { Uses, type SessionUse, type Speaker } from './uses.ts';

export interface AuditGateDuties {
  /** Whose sessions speak a protocol; undefined: nobody's that is known. */
  speaker(protocol: number): Speaker | undefined;
  /**
   * Writes down what a message is about to do: `begins`, it makes this a session of a kind; `use`, it is one that its
   * add-on wants in the log. False: it could not be written, and the session is over. Never rejects.
   */
  write(message: ProtoMsg, begins: boolean, use: SessionUse | undefined): Promise<boolean>;
  /** Whether the person is to wait with more. */
  hold(yes: boolean): void;
  relay(message: ProtoMsg): void;
}

/**
 * What a session is for, as the audit log knows it. A message that belongs there is written before anything happens:
 * the first one of substance, and those that an add-on names. Whatever had been read behind it waits, in its order.
 */
export class AuditGate {
  #kind: string | undefined;
  readonly #uses: Uses;
  readonly #duties: AuditGateDuties;
  #writing = false;
  #waiting: ProtoMsg[] = [];

  constructor(kind: string | undefined, duties: AuditGateDuties) {
    this.#kind = kind;
    this.#uses = new Uses((protocol) => duties.speaker(protocol));
    this.#duties = duties;
  }

  /** The add-on's id, or `other`; undefined until the first message that is not of the handshake. */
  get kind(): string | undefined {
    return this.#kind;
  }

  get uses(): readonly SessionUse[] {
    return this.#uses.list;
  }

  /** A message of the person, for the device. */
  pass(message: ProtoMsg): void {
    if (this.#writing) {
      this.#waiting.push(message);
      return;
    }
    const begins = this.#kind === undefined && message.hdr.proto !== ProtoType.Control;
    const use = this.#uses.of(message);
    if (begins || use) void this.#write(message, begins, use);
    else this.#duties.relay(message);
  }

  async #write(message: ProtoMsg, begins: boolean, use: SessionUse | undefined): Promise<void> {
    if (begins) this.#kind = this.#duties.speaker(message.hdr.proto)?.id ?? 'other';
    this.#writing = true;
    this.#duties.hold(true);
    if (!(await this.#duties.write(message, begins, use))) return;
    this.#writing = false;
    this.#duties.relay(message);
    const waiting = this.#waiting;
    this.#waiting = [];
    // One of them may have to be written as well: those behind it wait again.
    for (const later of waiting) this.pass(later);
    if (!this.#writing) this.#duties.hold(false);
  }
}
