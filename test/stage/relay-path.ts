import { once } from 'node:events';
import { createServer, type IncomingMessage } from 'node:http';
import type { AddressInfo } from 'node:net';
import { silentLog } from '#base/log';
import type { OperatorSession } from '#addon/cli';
import type { MessageOf } from '#proto';
import manifest from '#addons/terminal/manifest';
import type { shell } from '#addons/terminal/protocol';
import { openSession, type OpenOptions } from '../../cli/session.ts';
import { unauthorized } from '../../server/errors.ts';
import { bearerOf } from '../../server/http/guard.ts';
import { LocalBus } from '../../server/relay/bus.ts';
import type { SessionEvent } from '../../server/relay/events.ts';
import type { RelayOptions } from '../../server/relay/options.ts';
import { createRelay } from '../../server/relay/relay.ts';

type Shell = MessageOf<typeof shell>;

/** The relay on a real server, where `device-ID` and `user-ID` are the tokens of everybody. */
export async function startRelay(options: Partial<RelayOptions> = {}) {
  const events: SessionEvent[] = [];
  const presence: string[] = [];
  const waiting: (() => void)[] = [];
  const happened = (): void => waiting.splice(0).forEach((resolve) => resolve());
  const who = (req: IncomingMessage, kind: string): string => {
    const token = bearerOf(req)?.token ?? '';
    if (!token.startsWith(`${kind}-`)) throw unauthorized('unauthorized');
    return token.slice(kind.length + 1);
  };
  const relay = createRelay({
    bus: new LocalBus(),
    log: silentLog,
    authenticateDevice: async (req) => ({ deviceId: who(req, 'device') }),
    speaker: (proto) => (proto === manifest.protocol!.number ? manifest : undefined),
    authorizeUser: async (req) => {
      const userId = who(req, 'user');
      return { userId, name: userId, tokenId: userId, rights: [], refuses: () => undefined };
    },
    joined: async () => undefined,
    recall: async () => undefined,
    record: async () => undefined,
    onConnected: (id) => (presence.push(`+${id}`), happened()),
    onDisconnected: (id) => (presence.push(`-${id}`), happened()),
    audit: async (event) => {
      events.push(event);
      happened();
    },
    ...options,
  });
  const server = createServer((_req, res) => void res.writeHead(404).end());
  server.on('upgrade', (req, socket, head) => void (relay.handleUpgrade(req, socket, head) || socket.destroy()));
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  return {
    relay,
    url: `http://127.0.0.1:${port}`,
    port,
    events,
    presence,
    /** Waits until a condition on the above holds. */
    async until(what: string, holds: () => boolean): Promise<void> {
      const late = setTimeout(() => (waiting.splice(0), fail()), 15_000);
      const { promise, reject } = Promise.withResolvers<never>();
      const fail = (): void => reject(new Error(`never: ${what}; presence ${presence.join(' ')}`));
      while (!holds()) await Promise.race([promise, new Promise<void>((resolve) => waiting.push(resolve))]);
      clearTimeout(late);
    },
    open: (deviceId: string, user = 'ann', more: Partial<OpenOptions> = {}): Promise<OperatorSession<Shell>> =>
      openSession<Shell>({
        server: `http://127.0.0.1:${port}`,
        token: `user-${user}`,
        deviceId,
        protocol: manifest.protocol!,
        ...more,
      }),
    async [Symbol.asyncDispose]() {
      relay.close();
      server.closeAllConnections();
      server.close();
    },
  };
}

/** What a person sees of a shell, and a way to wait for it. */
export class Reader {
  readonly session: OperatorSession<Shell>;
  output = Buffer.alloc(0);
  readonly messages: Shell[] = [];
  ended = false;
  /** What became of the link, in order: true when it came back. */
  readonly links: boolean[] = [];
  #waiting: (() => void)[] = [];

  constructor(session: OperatorSession<Shell>) {
    this.session = session;
    session.onLink((up) => (this.links.push(up), this.#wake()));
    void this.#read();
  }

  async #read(): Promise<void> {
    for await (const message of this.session) {
      if (message.typ === 'shell') this.output = Buffer.concat([this.output, message.body]);
      else this.messages.push(message);
      if (message.typ === 'ping') this.session.send({ typ: 'pong', props: {} });
      this.#wake();
    }
    this.ended = true;
    this.#wake();
  }

  #wake(): void {
    for (const resolve of this.#waiting.splice(0)) resolve();
  }

  type(text: string | Uint8Array): boolean {
    return this.session.send({ typ: 'shell', props: {}, body: Buffer.from(text) });
  }

  async until(what: string, holds: () => boolean, ms = 15_000): Promise<void> {
    const late = Promise.withResolvers<never>();
    const timer = setTimeout(
      () =>
        late.reject(
          new Error(
            `never: ${what}; links ${this.links.join()}; got ${JSON.stringify(this.output.toString().slice(-500))}`,
          ),
        ),
      ms,
    );
    try {
      while (!holds()) {
        if (this.ended) throw new Error(`ended without ${what}: ${String(this.session.signal.reason)}`);
        await Promise.race([late.promise, new Promise<void>((resolve) => this.#waiting.push(resolve))]);
      }
    } finally {
      clearTimeout(timer);
    }
  }

  shows(text: string): Promise<void> {
    return this.until(text, () => this.output.includes(text));
  }

  async answer(
    typ: 'new' | 'stop' | 'shell',
    ms?: number,
  ): Promise<{ status: number | undefined; body: string; props: object }> {
    const found = () => this.messages.findIndex((message) => message.typ === typ);
    await this.until(`answer ${typ}`, () => found() >= 0, ms);
    const [message] = this.messages.splice(found(), 1);
    const { props, body } = message as Extract<Shell, { typ: 'new' }>;
    return { status: props.status, body: Buffer.from(body).toString(), props };
  }

  async start(size: { terminal_width?: number; terminal_height?: number } = {}, ms?: number): Promise<this> {
    this.session.send({ typ: 'new', props: size, body: new Uint8Array() });
    const { status, body } = await this.answer('new', ms);
    if (status !== 1) throw new Error(body);
    return this;
  }
}
