import { type AddressInfo, connect, createServer, type Server, type Socket } from 'node:net';

/** A way to a Unix socket by TCP that can be closed: then nobody is let in, and those who were are cut off. */
export class Gate {
  readonly #server: Server;
  readonly #open = new Set<Socket>();
  readonly port: number;

  private constructor(server: Server, port: number, open: Set<Socket>) {
    this.#server = server;
    this.#open = open;
    this.port = port;
  }

  static async to(path: string): Promise<Gate> {
    const open = new Set<Socket>();
    const server = createServer((from) => {
      const onward = connect(path);
      for (const socket of [from, onward]) {
        open.add(socket);
        socket
          .on('error', () => {})
          .on('close', () => {
            open.delete(socket);
            from.destroy();
            onward.destroy();
          });
      }
      from.pipe(onward).pipe(from);
    });
    await listen(server, 0);
    return new Gate(server, (server.address() as AddressInfo).port, open);
  }

  async shut(): Promise<void> {
    const closed = new Promise((resolve) => void this.#server.close(resolve));
    for (const socket of this.#open) socket.destroy();
    await closed;
  }

  async open(): Promise<void> {
    await listen(this.#server, this.port);
  }
}

async function listen(server: Server, port: number): Promise<void> {
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen(port, '127.0.0.1', resolve);
  });
}
