// A TCP link that a test can cut, stop, and mend: what a bad network does to two programs.
import { once } from 'node:events';
import { connect, createServer, type AddressInfo, type Server, type Socket } from 'node:net';

/** Passes connections on to a port of this machine. */
export class Cut implements AsyncDisposable {
  readonly #server: Server;
  readonly #pairs = new Set<readonly [Socket, Socket]>();
  #target: number;
  #open = true;
  #silent = false;

  private constructor(target: number) {
    this.#target = target;
    this.#server = createServer({ allowHalfOpen: true, noDelay: true }, (near) => this.#join(near));
  }

  static async before(target: number): Promise<Cut> {
    const made = new Cut(target);
    made.#server.listen(0, '127.0.0.1');
    await once(made.#server, 'listening');
    return made;
  }

  get url(): string {
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}`;
  }

  get connections(): number {
    return this.#pairs.size;
  }

  /** Resets every connection. */
  cut(): void {
    for (const pair of this.#pairs) for (const socket of pair) socket.resetAndDestroy();
  }

  /** As `cut`, and nothing can be connected until `mend`. */
  sever(): void {
    this.#open = false;
    this.cut();
  }

  /** Swallows everything from now on, of old connections and new ones, and says nothing: half open at both ends. */
  hush(): void {
    this.#silent = true;
  }

  mend(target = this.#target): void {
    this.#target = target;
    this.#open = true;
    if (!this.#silent) return;
    this.#silent = false;
    // What was swallowed is missing: no such connection is good for anything any more.
    this.cut();
  }

  #join(near: Socket): void {
    near.on('error', () => undefined);
    if (!this.#open) return void near.resetAndDestroy();
    const far = connect({ port: this.#target, host: '127.0.0.1', noDelay: true, allowHalfOpen: true });
    far.on('error', () => near.resetAndDestroy());
    const pair = [near, far] as const;
    this.#pairs.add(pair);
    for (const [from, to] of [pair, [far, near] as const]) {
      from.on('data', (bytes) => {
        if (this.#silent || to.write(bytes)) return;
        from.pause();
        to.once('drain', () => from.resume());
      });
      from.on('end', () => void (this.#silent || to.end()));
      from.on('close', () => {
        this.#pairs.delete(pair);
        if (!this.#silent) to.destroy();
      });
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.cut();
    await new Promise<void>((resolve) => void this.#server.close(() => resolve()));
  }
}
