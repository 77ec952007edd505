import { Backoff, pause } from '#base/backoff';
import { CodedError, codeOf } from '#base/errors';
import type { Dial, OperatorSocket } from './operator-socket.ts';

export interface OperatorTimes {
  /** Silence after which the server is asked for a sign of life, and after which the socket is dead, ms. */
  readonly ask: number;
  readonly dead: number;
  /** Ceilings of the first and of any later wait before a new attempt, ms: somebody looks at it. */
  readonly first: number;
  readonly ceiling: number;
  /** For the server's first message, ms. */
  readonly greet: number;
}

export const operatorTimes: OperatorTimes = { ask: 20_000, dead: 50_000, first: 250, ceiling: 8000, greet: 10_000 };

export interface OperatorLinkOptions {
  readonly dial: Dial;
  readonly times: OperatorTimes;
  /** The session is over. */
  readonly signal: AbortSignal;
  /** The session that a socket is for; undefined: a new one. */
  readonly sid: () => string | undefined;
  readonly received: (data: Uint8Array) => void;
  /** There is room again, or may be. */
  readonly written: () => void;
  /** Sends what the server has to answer. */
  readonly ask: () => void;
  /** Nothing is read just now: silence means nothing. */
  readonly deaf: () => boolean;
  /** The socket is gone. True: there is to be another. `why` is undefined where it has gone silent. */
  readonly lost: (code: number, why: CodedError | undefined) => boolean;
  /** The server gives no socket for this session; it is tried again as long as the session is not over. */
  readonly refused: (error: unknown) => void;
}

/** Closing code of ours for a socket that has gone silent. */
const silentCode = 4000;

/** A person's way to the server: one socket, and after its loss the next, until the session is over. */
export class OperatorLink {
  readonly #options: OperatorLinkOptions;
  #socket: OperatorSocket | undefined;
  #dialing = false;
  #heard = 0;
  #beat: ReturnType<typeof setInterval> | undefined;
  #greeted = Promise.withResolvers<void>();

  constructor(options: OperatorLinkOptions) {
    this.#options = options;
  }

  get up(): boolean {
    return this.#socket !== undefined;
  }

  /** Bytes that wait for the network. */
  get buffered(): number {
    return this.#socket?.buffered ?? 0;
  }

  /** Says nothing where it is down. */
  send(frame: Uint8Array): void {
    this.#socket?.send(frame);
  }

  /** Whether to read; a browser always does. */
  pause(yes: boolean): void {
    this.#socket?.pause?.(yes);
  }

  /** Opens a socket, and waits for the server's greeting where it said that one comes. Rejects as `dial` does. */
  async connect(): Promise<void> {
    const { dial, sid, signal, received, written, times } = this.#options;
    let mine: OperatorSocket | undefined;
    let greets = false;
    this.#greeted = Promise.withResolvers();
    this.#greeted.promise.catch(() => undefined);
    await dial(sid(), {
      opened: (socket, resumes) => {
        if (signal.aborted) return socket.close(1000);
        this.#socket = mine = socket;
        this.#heard = performance.now();
        greets = resumes;
      },
      message: (data) => {
        if (mine !== this.#socket) return;
        this.#heard = performance.now();
        received(data);
      },
      written,
      closed: (code, why) => {
        if (mine) this.#closed(mine, code, why);
      },
    });
    if (!greets) return;
    // A server that said it would, and does not: something in between has an opinion of its own.
    const late = setTimeout(() => this.#greeted.resolve(), times.greet);
    await this.#greeted.promise.finally(() => clearTimeout(late));
  }

  /** The server has said its first message. `watch`: it answers pings, and a half-open socket never says so itself. */
  greeted(watch: boolean): void {
    if (watch) this.#watch();
    this.#greeted.resolve();
  }

  /** The session is over. */
  close(code: number): void {
    const socket = this.#socket;
    this.#socket = undefined;
    clearInterval(this.#beat);
    socket?.pause?.(false);
    socket?.close(code);
  }

  /** Until there is a socket or the session is over. */
  async #reconnect(): Promise<void> {
    if (this.#dialing) return;
    this.#dialing = true;
    const { times, signal, refused } = this.#options;
    const backoff = new Backoff({ first: times.first, ceiling: times.ceiling });
    while (await pause(backoff.next(), signal)) {
      try {
        await this.connect();
        // It may be gone again already.
        if (!this.#socket && !signal.aborted) continue;
        this.#dialing = false;
        return;
      } catch (error) {
        if (codeOf(error) !== 'connection') refused(error);
      }
    }
  }

  #closed(socket: OperatorSocket, code: number, why: CodedError | undefined): void {
    if (socket !== this.#socket) return;
    this.#greeted.reject(why);
    this.#socket = undefined;
    clearInterval(this.#beat);
    if (this.#options.lost(code, why)) void this.#reconnect();
  }

  #watch(): void {
    clearInterval(this.#beat);
    const { ask, dead } = this.#options.times;
    this.#beat = setInterval(() => {
      const socket = this.#socket;
      if (!socket) return;
      const silence = performance.now() - this.#heard;
      if (silence > dead - ask && !this.#options.deaf()) {
        socket.close(silentCode);
        this.#closed(socket, silentCode, undefined);
      } else this.#options.ask();
    }, ask);
  }
}
