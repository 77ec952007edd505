import { CodedError, messageOf } from '#base/errors';
import { Flight } from '#base/flight';
import { Receipts } from '#base/receipts';
import { ask, grantedTerms, largeChunk, bodyChunk, type Room, type Terms } from '#proto';
import { stockWindow, offsetOf, type Entry, type Message, type PutFile } from './protocol.ts';
import { Refusal } from './refusal.ts';

/** What a session is here: the operator's program has one, the server has another. */
export interface Conversation extends AsyncIterable<Message> {
  readonly signal: AbortSignal;
  send(message: Message): boolean;
  drained(): Promise<void>;
}

export type RemoteInfo = Extract<Message, { typ: 'file_info' }>['body'];
export type Remains = { readonly offset: number; readonly sha256: string | undefined };

/** What we take from the device, bytes under way: 80 MB/s at 100 ms. */
const ours: Room = { window: 8 * 1024 * 1024, chunk: largeChunk };

/** The files of a device, through one session: one request at a time. Throws `Refusal` with the device's words. */
export class Remote {
  readonly #session: Conversation;
  readonly #messages: AsyncIterator<Message>;
  readonly #timeout: number | undefined;
  #terms: Terms | undefined;
  readonly #flight = new Flight(stockWindow);

  /** `timeout`: ms that the device may take for each step; undefined: as long as the session lives. */
  constructor(session: Conversation, timeout?: number) {
    this.#session = session;
    this.#messages = session[Symbol.asyncIterator]();
    this.#timeout = timeout;
  }

  /** The device is known to be one of ours: lists, sums and resuming work. Known after the first answer. */
  get extended(): boolean {
    return this.#terms !== undefined;
  }

  async stat(path: string): Promise<RemoteInfo> {
    return (await this.#ask({ typ: 'stat', props: ask(ours), body: { path } }, 'file_info')).body;
  }

  async *list(path: string): AsyncGenerator<Entry> {
    let { body } = await this.#ask({ typ: 'list', body: { path } }, 'entries');
    yield* body.entries;
    while (body.more) {
      body = (await this.#expect('entries')).body;
      yield* body.entries;
    }
  }

  async makeFolder(path: string, mode: number): Promise<void> {
    await this.#ask({ typ: 'make_folder', body: { path, mode } }, 'file_info');
  }

  /** SHA-256 of the first bytes of a file. */
  async sum(path: string, size: number): Promise<{ size: number; sha256: string }> {
    return (await this.#ask({ typ: 'checksum', body: { path, size } }, 'sum')).body;
  }

  /** The bytes of a file from `offset` on. Who takes no more ends the transfer. */
  async *read(path: string, offset = 0): AsyncGenerator<Uint8Array> {
    this.#session.send({ typ: 'get_file', props: ask(ours), body: { path, ...(offset > 0 ? { offset } : {}) } });
    let size = offset;
    let done = false;
    // A stock device stops after twenty chunks: every ten it is told, as its own server does.
    const step = this.extended ? ours.window / 8 : stockWindow / 2;
    const tell = (taken: number) => void this.#session.send({ typ: 'ack', props: { offset: taken } });
    const receipts = new Receipts(step, tell, offset);
    try {
      for (;;) {
        const { props, body } = await this.#expect('file_chunk');
        if (offsetOf(props) !== size)
          throw new CodedError('wrong_offset', 'wrong offset received: file transfer failed');
        if (body.length === 0) {
          receipts.tell();
          done = true;
          return;
        }
        size += body.length;
        yield body;
        receipts.take(body.length);
      }
    } catch (error) {
      done = error instanceof Refusal;
      throw error;
    } finally {
      receipts.end();
      if (!done) this.#abort('no more is taken');
    }
  }

  /**
   * Puts a file there; resolves when the device has it in place. `source` gives the bytes from an offset on: where an
   * earlier upload of this name left off, if the caller finds that it is the same (`matches`), else 0.
   */
  async write(
    body: PutFile['body'],
    source: (offset: number) => AsyncIterable<Uint8Array>,
    matches: (remains: Remains) => Promise<boolean> = () => Promise.resolve(false),
  ): Promise<void> {
    const ready = await this.#ask({ typ: 'put_file', props: ask(ours), body }, 'ack');
    const terms = grantedTerms(ready.props);
    const remains = { offset: offsetOf(ready.props) ?? 0, sha256: ready.props.sha256 };
    const from = remains.offset > 0 && terms && (await matches(remains)) ? remains.offset : 0;
    const flight = this.#flight;
    flight.again(terms?.window ?? stockWindow, from, terms?.prompt ?? true);
    const flow = new Acks(flight);
    const acks = this.#acks(flow);
    // Whoever waits for it sees its failure; nobody may wait yet.
    acks.catch(() => undefined);
    try {
      let at = from;
      for await (const bytes of source(from)) {
        for (let start = 0; start < bytes.length;) {
          const chunk = bytes.subarray(start, start + Math.min(terms?.chunk ?? bodyChunk, flight.piece));
          while (!flight.takes(chunk.length) && !flow.failed) await flow.moved();
          if (flow.failed) await acks;
          const room = this.#session.send({ typ: 'file_chunk', props: { offset: at }, body: chunk });
          flow.sent(at, chunk.length);
          at += chunk.length;
          start += chunk.length;
          if (!room) await this.#session.drained();
        }
      }
      flow.total = at;
      this.#session.send({ typ: 'file_chunk', props: { offset: at }, body: new Uint8Array() });
      await acks;
    } catch (error) {
      if (!flow.failed) this.#abort(messageOf(error));
      throw error;
    }
  }

  /** Reads acknowledgements until the last one. */
  async #acks(flow: Acks): Promise<void> {
    try {
      for (;;) {
        const offset = offsetOf((await this.#expect('ack')).props);
        if (typeof offset !== 'number') continue;
        flow.acknowledge(offset);
        if (flow.total !== undefined && offset >= flow.total) return;
      }
    } catch (error) {
      flow.fail();
      throw error;
    }
  }

  async #ask<T extends Message['typ']>(request: Message, answer: T): Promise<Extract<Message, { typ: T }>> {
    this.#session.send(request);
    return await this.#expect(answer);
  }

  async #expect<T extends Message['typ']>(typ: T): Promise<Extract<Message, { typ: T }>> {
    for (;;) {
      const message = await this.#next();
      if ('props' in message && (message.typ === 'file_info' || message.typ === 'error' || message.typ === 'ack'))
        this.#terms = grantedTerms(message.props) ?? this.#terms;
      if (message.typ === typ) return message as Extract<Message, { typ: T }>;
      if (message.typ === 'error') throw new Refusal(message.body.err, message.body.code);
    }
  }

  async #next(): Promise<Message> {
    const late = Promise.withResolvers<never>();
    const timer =
      this.#timeout === undefined
        ? undefined
        : setTimeout(() => late.reject(new CodedError('timeout', 'file transfer timed out')), this.#timeout);
    try {
      const next = await Promise.race([this.#messages.next(), late.promise]);
      if (!next.done) return next.value;
      const reason: unknown = this.#session.signal.reason;
      throw reason instanceof Error ? reason : new CodedError('connection', 'connection lost');
    } finally {
      clearTimeout(timer);
    }
  }

  #abort(err: string): void {
    this.#session.send({ typ: 'error', props: {}, body: { err } });
  }
}

/** How far the device is with an upload. */
class Acks {
  readonly #flight: Flight;
  /** What is under way: where each chunk begins and ends. */
  readonly #chunks: { readonly offset: number; readonly end: number }[] = [];
  total: number | undefined;
  failed = false;
  #moved = Promise.withResolvers<void>();

  constructor(flight: Flight) {
    this.#flight = flight;
  }

  sent(offset: number, size: number): void {
    this.#chunks.push({ offset, end: offset + size });
    this.#flight.send(size);
  }

  /** There is something new to see. */
  moved(): Promise<void> {
    return this.#moved.promise;
  }

  /** The chunk that begins there is written. */
  acknowledge(offset: number): void {
    const next = this.#chunks.findIndex((chunk) => chunk.offset > offset);
    const [last] = this.#chunks.splice(0, next < 0 ? this.#chunks.length : next).slice(-1);
    if (last) this.#flight.acknowledge(last.end);
    this.#move();
  }

  fail(): void {
    this.failed = true;
    this.#move();
  }

  #move(): void {
    this.#moved.resolve();
    this.#moved = Promise.withResolvers();
  }
}
