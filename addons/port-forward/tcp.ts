import type { Socket } from 'node:net';
import type { Room, Terms } from '#proto';
import { Inflow } from './inflow.ts';
import { Outflow, type Wire } from './outflow.ts';

/** For what was taken to reach a socket that is to close, ms; one that reads nothing is not waited for. */
const flushTime = 10_000;

export interface TcpOptions {
  readonly id: string;
  /** Connected or about to be; half open is allowed. */
  readonly socket: Socket;
  readonly wire: Wire;
  /** The peer has said already whether it is one of ours: before that it is told no end, whose form depends on it. */
  readonly answered: boolean;
  /** The socket's peer will send no more, and all that it sent is with ours: a stock peer cannot be told but by `stop`. */
  readonly localEnd: () => void;
  /** It is over on this side; with an error if that is why. Called once. */
  readonly closed: (error: Error | undefined) => void;
}

/** One forwarded TCP connection, the same on both sides: a socket here, messages to and from there. */
export class TcpChannel {
  readonly #options: TcpOptions;
  readonly #out: Outflow;
  readonly #in: Inflow;
  #answered: boolean;
  #extended = false;
  #localEnded = false;
  #localEndTold = false;
  #closed = false;
  #error: Error | undefined;
  #over = false;

  constructor(options: TcpOptions) {
    const { id, socket, wire } = options;
    this.#options = options;
    this.#answered = options.answered;
    this.#out = new Outflow(id, wire, false, () => this.#flowed());
    this.#in = new Inflow(id, wire);
    // Small writes are somebody's keystrokes.
    socket.setNoDelay(true);
    // A quiet connection may last; a middle box on its way is not to forget it (ask-8).
    socket.setKeepAlive(true, 60_000);
    socket.on('data', (bytes: Buffer) => {
      this.#out.push(bytes);
      if (this.#out.waiting > 0) socket.pause();
    });
    socket.on('end', () => {
      this.#localEnded = true;
      this.#flowed();
    });
    socket.on('error', (error) => (this.#error = error));
    socket.on('close', () => {
      this.#closed = true;
      this.#flowed();
    });
  }

  /** Both ends are ours: what the peer takes, and what it was told that we take. */
  extend(peer: Terms, ours: Room): void {
    this.#extended = true;
    this.#in.extend(ours);
    this.#out.extend(peer);
    this.answered();
  }

  /** The peer has answered; without `extend` it is a stock one. */
  answered(): void {
    this.#answered = true;
    this.#flowed();
  }

  /** A `forward`. False: the peer sends more than was agreed on. */
  take(body: Uint8Array): boolean {
    if (this.#over) return true;
    if (!this.#in.arrive(body.length)) return false;
    this.#options.socket.write(body, (error) => {
      if (!error && !this.#over) this.#in.take(body.length);
    });
    return true;
  }

  acknowledge(received: number | undefined): void {
    this.#out.acknowledge(received);
  }

  /** The peer sends no more; what goes to it goes on. */
  peerEnded(): void {
    this.#options.socket.end();
  }

  /** The peer closes: what it sent still goes out, what comes from here counts no more. Resolves when that is done. */
  async stop(): Promise<void> {
    this.#end();
    const { socket } = this.#options;
    socket.removeAllListeners('data');
    socket.resume();
    const { promise, resolve } = Promise.withResolvers<void>();
    const late = setTimeout(resolve, flushTime);
    socket.once('close', () => resolve());
    socket.end(resolve);
    await promise;
    clearTimeout(late);
    socket.destroy();
  }

  /** At once, whatever is under way. */
  destroy(): void {
    this.#end();
    this.#options.socket.destroy();
  }

  #end(): void {
    this.#over = true;
    this.#in.end();
  }

  /** Something moved: goes on reading, or tells the end once all that was read is with the peer. */
  #flowed(): void {
    if (this.#over) return;
    const { socket, id, wire, localEnd, closed } = this.#options;
    if (!this.#localEnded && !this.#closed) {
      if (this.#out.waiting === 0 && socket.isPaused()) socket.resume();
      return;
    }
    if (!this.#answered || !this.#out.idle) return;
    if (this.#localEnded && !this.#localEndTold) {
      this.#localEndTold = true;
      if (this.#extended) wire.send({ typ: 'end', props: { connection_id: id } });
      localEnd();
    }
    if (!this.#closed || this.#over) return;
    this.#end();
    closed(this.#error);
  }
}
