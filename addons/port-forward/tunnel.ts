import type { Socket } from 'node:net';
import { duplexPair, type Duplex } from 'node:stream';
import { connect as connectTls } from 'node:tls';
import type { OperatorSession } from '#addon/session';
import { CodedError, messageOf } from '#base/errors';
import { Link } from './link.ts';
import { joinTcp } from './local.ts';
import type { Message } from './protocol.ts';

/** Without a connection for this long the session is closed, ms; the next request opens another. */
const quietTime = 120_000;

type Session = OperatorSession<Message>;

/** Connections to ports of one device in one person's name, through a session that is opened when there is a need. */
export class Tunnel {
  readonly #open: () => Promise<Session>;
  #link: Promise<Link> | undefined;
  #used = 0;
  #quiet: NodeJS.Timeout | undefined;

  constructor(open: () => Promise<Session>) {
    this.#open = open;
  }

  /**
   * A connection to a port of the device itself. Throws why there can be none; that the device refuses it is seen when the
   * stream is destroyed with the reason. TLS checks no certificate: nobody vouches for a name at the device's own loopback,
   * and the way there is the device's own socket.
   */
  async connect(port: number, tls: boolean): Promise<Duplex> {
    const link = await (this.#link ??= this.#start());
    const [near, far] = duplexPair();
    let why = 'the device closed the connection';
    // A destroyed end is told to nobody by itself.
    near.on('close', () => far.destroy());
    far.on('close', () => {
      if (!far.writableFinished) near.destroy(new CodedError('lost', why));
    });
    far.on('error', () => undefined);
    this.#used++;
    clearTimeout(this.#quiet);
    void joinTcp(link, asSocket(far), { host: '127.0.0.1', remote: port }, (line) => (why = line)).then((well) => {
      this.#used--;
      this.#rest();
      if (!well) near.destroy(new CodedError('refused', why));
    });
    if (!tls) return near;
    const secured = connectTls({ socket: near, rejectUnauthorized: false, ALPNProtocols: ['http/1.1'] });
    near.on('error', (error) => secured.destroy(error));
    return secured;
  }

  close(): void {
    clearTimeout(this.#quiet);
    void this.#link?.then(
      (link) => link.session.close(),
      () => undefined,
    );
    this.#link = undefined;
  }

  async #start(): Promise<Link> {
    try {
      const session = await this.#open();
      const link = new Link(session);
      void link.run().finally(() => {
        this.#link = undefined;
      });
      return link;
    } catch (error) {
      this.#link = undefined;
      throw new CodedError('away', messageOf(error), { cause: error });
    }
  }

  #rest(): void {
    if (this.#used > 0) return;
    this.#quiet = setTimeout(() => this.close(), quietTime);
    this.#quiet.unref();
  }
}

/** What is asked of a socket that a pipe has not does nothing. */
function asSocket(pipe: Duplex): Socket {
  const none = (): Duplex => pipe;
  return Object.assign(pipe, { setNoDelay: none, setKeepAlive: none }) as unknown as Socket;
}
