import type { MessageOf, Participant } from '#proto';
import type { OperatorSession } from '#addon/session';
import { ShellStatus, type shell } from './protocol.ts';

type Message = MessageOf<typeof shell>;
type New = Extract<Message, { typ: 'new' }>;

/** Shells that are opened one after the other before the device is given up. */
const mostShells = 5;
/** Silence after which a new shell is asked for a sign of life, for this to come, and for the end of a mute shell, ms. */
const defaults = { silence: 1000, answer: 3000, stop: 15_000 };
/** A space and its erasure: a terminal repeats both at once, whatever its shell does, and the line is as it was. */
const probe = Uint8Array.of(0x20, 0x7f);
/** Keys that are kept for a shell that has not said anything yet, bytes. */
const most = 64 * 1024;

export interface FirstWordTimes {
  readonly silence: number;
  readonly answer: number;
  readonly stop: number;
}

/**
 * A session whose shell is sure to be heard. Of some shells that mender-connect starts it never reads a word (up to a third
 * of them on a busy device): the screen stays dead, and what is typed is done all the same. So a shell of a device that does
 * not say it is ours gets no keys before its terminal has said something, at least the echo of two of our own; if it never
 * does, it is stopped, and another one opened. Keys wait meanwhile.
 */
export class FirstWord implements OperatorSession<Message> {
  readonly #session: OperatorSession<Message>;
  readonly #another: (opening: boolean) => void;
  readonly #times: FirstWordTimes;
  /** Of the shell: all is well, or none was asked for; asked for; started and not heard; to be stopped. */
  #state: 'open' | 'asked' | 'unheard' | 'stopping' = 'open';
  #shells = 0;
  /** Nothing is to be found out any more. */
  #settled = false;
  #props: New['props'] = {};
  #kept: Uint8Array[] = [];
  #size = 0;
  #timer: ReturnType<typeof setTimeout> | undefined;
  /** What the person is told at the end, where it was for us to end it. */
  #verdict: New | undefined;
  #released = Promise.withResolvers<void>();

  /** `another`: a mute shell is given up for another one, which is heard when it is called with false. */
  constructor(
    session: OperatorSession<Message>,
    another: (opening: boolean) => void,
    times: Partial<FirstWordTimes> = {},
  ) {
    this.#session = session;
    this.#another = another;
    this.#times = { ...defaults, ...times };
    this.signal.addEventListener('abort', () => this.#forget());
  }

  get sid(): string {
    return this.#session.sid;
  }

  get userId(): string {
    return this.#session.userId;
  }

  get signal(): AbortSignal {
    return this.#session.signal;
  }

  send(message: Message): boolean {
    if (message.typ === 'new') {
      this.#props = { ...message.props, ask_patchbay: true };
      this.#shells = 0;
      return this.#ask();
    }
    if (message.typ === 'stop') this.#forget();
    if (this.#state === 'open') return this.#session.send(message);
    if (message.typ === 'resize') {
      this.#props = { ...this.#props, ...message.props };
      // There may be no shell to be told now; the next one is asked for with this size.
      return this.#state === 'unheard' ? this.#session.send(message) : true;
    }
    if (message.typ !== 'shell') return this.#session.send(message);
    this.#kept.push(message.body);
    this.#size += message.body.length;
    return this.#size < most;
  }

  async drained(): Promise<void> {
    if (this.#size >= most) await this.#released.promise;
    await this.#session.drained();
  }

  onLink(listener: (up: boolean) => void): () => void {
    return this.#session.onLink(listener);
  }

  onPeople(listener: (people: readonly Participant[], self: number) => void): () => void {
    return this.#session.onPeople?.(listener) ?? (() => undefined);
  }

  freeze(): string | undefined {
    return this.#session.freeze?.();
  }

  close(): void {
    this.#forget();
    this.#session.close();
  }

  /** No generator, as in `Inbox`: it would put turns of the promise queue between a message and its reader. */
  [Symbol.asyncIterator](): AsyncIterator<Message> {
    const messages = this.#session[Symbol.asyncIterator]();
    return { next: () => (this.#settled && !this.#verdict ? messages.next() : this.#sifted(messages)) };
  }

  /** The next message that is for the person. */
  async #sifted(messages: AsyncIterator<Message>): Promise<IteratorResult<Message>> {
    for (;;) {
      const next = await messages.next();
      if (this.#verdict) return { value: this.#sayOnce(this.#verdict) };
      if (next.done) return next;
      const { value } = next;
      const first = this.#shells === 1;
      if (this.#state === 'asked' && value.typ === 'new') {
        this.#answered(value);
        // That there is a shell he knows from the first.
        if (first || value.props.status === ShellStatus.Error) return next;
      } else if (this.#state === 'unheard' && value.typ === 'shell') {
        this.#release();
        if (!first) this.#another(false);
        return next;
      } else if (this.#state === 'stopping' && value.typ === 'stop') this.#ask();
      // What a shell says that is being stopped comes too late.
      else if (this.#state !== 'stopping' || value.typ !== 'shell') return next;
    }
  }

  #sayOnce(verdict: New): New {
    this.#verdict = undefined;
    return verdict;
  }

  #ask(): boolean {
    this.#shells++;
    this.#state = 'asked';
    clearTimeout(this.#timer);
    return this.#session.send({ typ: 'new', props: this.#props, body: none });
  }

  #answered({ props }: New): void {
    if (props.status === ShellStatus.Error) return this.#forget();
    if (props.patchbay === true) return this.#release();
    this.#state = 'unheard';
    this.#timer = setTimeout(() => {
      this.#session.send({ typ: 'shell', props: {}, body: probe });
      this.#timer = setTimeout(() => this.#giveUp(), this.#times.answer);
    }, this.#times.silence);
  }

  /** This shell is mute. The device says when it is stopped, which takes mender-connect four seconds. */
  #giveUp(): void {
    this.#state = 'stopping';
    this.#session.send({ typ: 'stop', props: {}, body: none });
    if (this.#shells === mostShells) return this.#despair();
    this.#another(true);
    this.#timer = setTimeout(() => this.#despair(), this.#times.stop);
  }

  #despair(): void {
    this.#verdict = { typ: 'new', props: { status: ShellStatus.Error }, body: new TextEncoder().encode(mute) };
    this.close();
  }

  /** The shell is one that is heard: it gets what was typed. */
  #release(): void {
    const kept = this.#kept;
    this.#forget();
    for (const body of kept) this.#session.send({ typ: 'shell', props: {}, body });
  }

  /** Nothing is waited for any more, and what was typed for a shell that was not heard is not for another one. */
  #forget(): void {
    clearTimeout(this.#timer);
    this.#state = 'open';
    this.#settled = true;
    this.#kept = [];
    this.#size = 0;
    this.#released.resolve();
    this.#released = Promise.withResolvers();
  }
}

const none = new Uint8Array();
/** Said in place of a shell. */
export const mute = 'the Connect daemon of the device opens shells that say nothing: restart mender-connect there';
