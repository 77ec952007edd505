import { CodedError, codeOf, messageOf } from '#base/errors';
import { Inbox } from '#base/inbox';
import { control, type Participant } from './control.ts';
import { decode, encode, ProtoType, unpack, type ProtoMsg } from './envelope.ts';
import { freeze, frozenCode, thaw } from './frozen.ts';
import { OperatorLink, operatorTimes, type OperatorTimes } from './operator-link.ts';
import type { Dial } from './operator-socket.ts';
import { narrow, toFrame, type LooseMessage, type Protocol } from './protocol.ts';
import { Incoming, Outgoing } from './resume.ts';

export interface OperatorOptions {
  readonly dial: Dial;
  readonly protocol: Protocol;
  /** A message of the device; undefined: not for this program. Throws for one that is none. */
  readonly parse: (frame: ProtoMsg) => LooseMessage | undefined;
  /** Bytes that may wait for the network before `send` asks to wait. */
  readonly full: number;
  /** What an earlier page kept of a session that is to go on here (`freeze`). */
  readonly frozen?: string;
  /** How a reason is spelt for this program's people. */
  readonly say?: (text: string) => string;
  readonly times?: Partial<OperatorTimes>;
}

/** Bytes that are kept for a device that has not acknowledged them; more waits where it comes from. */
const keptLimit = 4 * 1024 * 1024;
/** Closing codes after which nothing is to be tried again: an end in order, a message that was none, a refusal. */
const finals = new Set([1000, 1003, 1007, 1008, 1009]);

/** Opens a session, and keeps it over losses of its link where server and device can (`resume.ts`). */
export async function openOperator(options: OperatorOptions): Promise<OperatorEnd> {
  const end = new OperatorEnd(options);
  await end.start();
  return end;
}

/** The person's end of a session: the same machine in the browser and in the command. */
export class OperatorEnd implements AsyncIterable<LooseMessage> {
  sid = '';
  readonly userId = '';
  readonly #options: OperatorOptions;
  readonly #ending = new AbortController();
  readonly #inbox: Inbox<LooseMessage>;
  readonly #outgoing = new Outgoing();
  readonly #incoming: Incoming;
  readonly #link: OperatorLink;
  /** It may outlive its links. */
  #resumes = false;
  /** Numbered messages go and come now. */
  #attached = false;
  /** What the device has is not known before it says so. */
  #repeats = false;
  /** No device has answered yet: it may have to be begun once more. */
  #fresh = true;
  #within = 60;
  #away: ReturnType<typeof setTimeout> | undefined;
  #waiting: (() => void)[] = [];
  readonly #links = new Set<(up: boolean) => void>();
  readonly #crowds = new Set<(people: readonly Participant[], self: number) => void>();
  #people: { people: readonly Participant[]; self: number } | undefined;

  constructor(options: OperatorOptions) {
    this.#options = options;
    this.#link = new OperatorLink({
      dial: options.dial,
      times: { ...operatorTimes, ...options.times },
      signal: this.signal,
      sid: () => this.sid || undefined,
      received: (data) => this.#receive(data),
      written: () => this.#written(),
      ask: () => this.#control({ typ: 'ping' }),
      deaf: () => this.#inbox.isCongested,
      lost: (code, why = new CodedError('connection', this.#say('the server does not answer'))) =>
        this.#linkLost(code, why),
      refused: (error) => this.#linkRefused(error),
    });
    const frozen = options.frozen === undefined ? undefined : thaw(options.frozen);
    this.#incoming = new Incoming((received) => this.#control({ typ: 'ack', body: { received } }), frozen?.taken);
    this.#inbox = new Inbox<LooseMessage>({
      high: 1024 * 1024,
      low: 256 * 1024,
      congested: (yes) => this.#link.pause(yes),
      taken: (size) => this.#incoming.take(size),
    });
    if (!frozen) return;
    this.sid = frozen.sid;
    this.#within = frozen.within;
    this.#outgoing.restore(frozen.first, frozen.kept);
    this.#fresh = false;
  }

  get signal(): AbortSignal {
    return this.#ending.signal;
  }

  /** Opens the first socket; rejects as `dial` does. */
  async start(): Promise<void> {
    try {
      await this.#link.connect();
    } catch (error) {
      this.#end(error instanceof CodedError ? error : new CodedError('connection', messageOf(error)));
      throw error;
    }
  }

  send(message: LooseMessage): boolean {
    if (this.signal.aborted) return false;
    const { protocol } = this.#options;
    if (this.#resumes) {
      this.#outgoing.push(encode(toFrame(protocol, message, this.sid, this.#outgoing.seq)));
      this.#pump();
    } else this.#link.send(encode(toFrame(protocol, message, this.sid)));
    return this.#roomy;
  }

  drained(): Promise<void> {
    if (this.signal.aborted || this.#roomy) return Promise.resolve();
    return new Promise((resolve) => this.#waiting.push(resolve));
  }

  [Symbol.asyncIterator](): AsyncIterator<LooseMessage> {
    return this.#inbox[Symbol.asyncIterator]();
  }

  close(): void {
    if (this.signal.aborted) return;
    this.#control({ typ: 'close' });
    this.#end(new CodedError('closed', this.#say('closed')));
  }

  onLink(listener: (up: boolean) => void): () => void {
    this.#links.add(listener);
    if (this.#away !== undefined) listener(false);
    return () => this.#links.delete(listener);
  }

  /** Calls back with everybody who is at this terminal, and which of them is this one, whenever that changes. */
  onPeople(listener: (people: readonly Participant[], self: number) => void): () => void {
    this.#crowds.add(listener);
    if (this.#people) listener(this.#people.people, this.#people.self);
    return () => this.#crowds.delete(listener);
  }

  /**
   * For a page that is about to be unloaded: what another one needs to go on with this session, whose messages were
   * taken up to here. The session is left alone from then on. Undefined: it cannot go on.
   */
  freeze(): string | undefined {
    if (this.signal.aborted || !this.#resumes || this.#fresh) return undefined;
    const left = freeze({
      sid: this.sid,
      taken: this.#incoming.taken,
      first: this.#outgoing.first,
      kept: this.#outgoing.kept(),
      within: this.#within,
    });
    this.#end(new CodedError('frozen', 'the session goes on elsewhere'), frozenCode);
    return left;
  }

  /** True: there is to be another socket. */
  #linkLost(code: number, why: CodedError): boolean {
    if (this.signal.aborted) return false;
    if (this.#resumes && !finals.has(code)) {
      this.#suspend();
      return true;
    }
    this.#end(why);
    return false;
  }

  #linkRefused(error: unknown): void {
    const code = codeOf(error);
    // It was lost before it was a session of anything: what was said is kept, and said to a new one.
    if (this.#fresh && code !== 'unauthorized' && code !== 'forbidden') this.sid = '';
    else this.#end(new CodedError('lost', this.#say(`the session cannot go on: ${messageOf(error)}`)));
  }

  #receive(data: Uint8Array): void {
    if (this.signal.aborted) return;
    try {
      const frame = decode(data);
      const { proto, sid, seq } = frame.hdr;
      if (sid) this.sid = sid;
      if (proto === ProtoType.Control) return this.#controlled(frame);
      if (proto !== this.#options.protocol.number) return;
      const numbered = this.#resumes && seq !== undefined;
      if (numbered && (!this.#attached || !this.#incoming.accept(seq))) return;
      const message = this.#options.parse(frame);
      if (message) this.#inbox.push(message, data.length, numbered);
      else if (numbered) this.#incoming.take(data.length);
    } catch (error) {
      const lost = error instanceof CodedError && error.code === 'lost';
      const why = lost ? error.message : `the server sent what is no message: ${messageOf(error)}`;
      this.#end(new CodedError(lost ? 'lost' : 'invalid_frame', this.#say(why)), 1007);
    }
  }

  #controlled({ hdr, body }: ProtoMsg): void {
    const content = body === undefined ? {} : (narrow(unpack(body)) as Readonly<Record<string, unknown>>);
    switch (hdr.typ) {
      case 'ping':
        return this.#control({ typ: 'pong' });
      case 'session':
        this.#resumes = content['resume'] === true;
        if (this.#resumes && content['up'] === true) this.#attach();
        else if (this.#resumes) this.#suspend();
        return this.#link.greeted(this.#resumes);
      case 'link':
        return content['up'] === true ? this.#attach() : this.#suspend();
      case 'attached':
        return this.#onAttached(Number(content['received']), Number(content['within']));
      case 'ack':
        this.#outgoing.acknowledge(Number(content['received']));
        return this.#written();
      case 'people':
        return this.#crowd(content);
      case 'close':
        return this.#end(new CodedError('closed', this.#say('the device has ended the session')));
      case 'error': {
        const { err, close, msgproto } = content;
        // What is said of our own protocol (it is off on the device, it is not ours to use) no message of it will answer.
        if (close !== true && msgproto !== this.#options.protocol.number) return;
        const why = typeof err === 'string' && err ? err.slice(0, 500) : 'the session was refused';
        // What the reference says where an add-on is switched off or not there (§3.2): nothing that a person could read.
        if (why.startsWith('no handler registered'))
          return this.#end(
            new CodedError('not_offered', this.#say('its Connect daemon has this switched off, or not at all')),
          );
        return this.#end(new CodedError(close === true ? 'device' : 'refused', this.#say(why)));
      }
      default:
        return;
    }
  }

  #attach(): void {
    this.#attached = false;
    this.#control({ typ: 'attach', body: { received: this.#incoming.taken, fresh: this.#fresh } });
    this.#incoming.told();
    this.#repeats = !this.#fresh || this.#away !== undefined;
    if (this.#repeats) return;
    // The first time there is nothing to be repeated, so nothing to be waited for.
    this.#attached = true;
    this.#pump();
  }

  #onAttached(received: number, within: number): void {
    const again = this.#away !== undefined;
    this.#within = within;
    this.#fresh = false;
    clearTimeout(this.#away);
    this.#away = undefined;
    if (this.#repeats) this.#outgoing.rewind(received);
    else this.#outgoing.acknowledge(received);
    this.#attached = true;
    this.#written();
    if (again) for (const listener of this.#links) listener(true);
  }

  #suspend(): void {
    this.#attached = false;
    this.#incoming.told();
    if (this.#away !== undefined) return;
    const minutes = Math.round(this.#within / 6) / 10;
    const over = `the session is lost: the connection was away for more than ${minutes} minutes`;
    this.#away = setTimeout(() => this.#end(new CodedError('lost', this.#say(over))), this.#within * 1000);
    for (const listener of this.#links) listener(false);
  }

  #pump(): void {
    if (!this.#link.up || !this.#attached) return;
    while (this.#link.buffered < this.#options.full) {
      const frame = this.#outgoing.take();
      if (!frame) return;
      this.#link.send(frame);
    }
  }

  #written(): void {
    if (this.#resumes) this.#pump();
    if (this.#waiting.length > 0 && this.#calm) this.#release();
  }

  get #roomy(): boolean {
    if (!this.#resumes) return this.#link.buffered < this.#options.full;
    return this.#outgoing.bytes < keptLimit && (!this.#attached || this.#outgoing.written);
  }

  /** As roomy, and with some room to spare. */
  get #calm(): boolean {
    if (!this.#resumes) return this.#link.buffered <= this.#options.full / 4;
    return this.#roomy && this.#outgoing.bytes <= keptLimit / 2;
  }

  #control(message: LooseMessage): void {
    this.#link.send(encode(toFrame(control, message, this.sid)));
  }

  #crowd(content: Readonly<Record<string, unknown>>): void {
    this.#people = { people: content['people'] as readonly Participant[], self: Number(content['self']) };
    for (const listener of this.#crowds) listener(this.#people.people, this.#people.self);
  }

  #say(text: string): string {
    return this.#options.say?.(text) ?? text;
  }

  /** What has arrived may still be read: a shell's last words come before the loss of the link. */
  #end(reason: CodedError, code = 1000): void {
    if (this.signal.aborted) return;
    this.#link.close(code);
    clearTimeout(this.#away);
    this.#incoming.told();
    this.#ending.abort(reason);
    this.#inbox.finish();
    this.#release();
  }

  #release(): void {
    const waiting = this.#waiting;
    this.#waiting = [];
    for (const resolve of waiting) resolve();
  }
}
