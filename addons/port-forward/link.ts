import type { OperatorSession } from '#addon/cli';
import { ask, grantedTerms, largeChunk, type Room, type Terms } from '#proto';
import type { Message } from './protocol.ts';

/** What we may have under way to this machine in one connection, bytes: 40 MB/s at 100 ms. */
const ours: Room = { window: 4 * 1024 * 1024, chunk: largeChunk };

/** One connection at this end. */
export interface Channel {
  /** The device has not answered yet. */
  readonly waits: boolean;
  /** The device has made its connection; with its terms, if it is one of ours. */
  accepted(peer: Terms | undefined, ours: Room): void;
  refused(why: string): void;
  take(body: Uint8Array): boolean;
  acknowledge(received: number | undefined): void;
  peerEnded(): void;
  /** The device's side is closed. */
  stopped(): void;
}

/** All connections that this program has open through one session with the device. */
export class Link {
  readonly session: OperatorSession<Message>;
  readonly #channels = new Map<string, Channel>();
  #count = 0;

  constructor(session: OperatorSession<Message>) {
    this.session = session;
  }

  /** Asks the device for a connection; `make` is given its id. */
  open(protocol: 'tcp' | 'udp', host: string, port: number, make: (id: string) => Channel): void {
    const id = `c${++this.#count}`;
    this.session.send({
      typ: 'new',
      props: { connection_id: id, ...ask(ours) },
      body: { remote_host: host, remote_port: port, protocol },
    });
    this.#channels.set(id, make(id));
  }

  /** This side is through with it. `tell`: the device is to close it as well. */
  close(id: string, tell: boolean): void {
    if (this.#channels.delete(id) && tell) this.session.send({ typ: 'stop', props: { connection_id: id } });
  }

  /** Connections that are open now. */
  get size(): number {
    return this.#channels.size;
  }

  /** Takes the device's messages until the session ends; stops the connections that are left, and says how many. */
  async run(): Promise<number> {
    try {
      for await (const message of this.session) this.#receive(message);
      return this.size;
    } finally {
      for (const channel of this.#channels.values()) channel.stopped();
      this.#channels.clear();
    }
  }

  #receive(message: Message): void {
    const id = message.props.connection_id ?? '';
    const channel = this.#channels.get(id);
    if (message.typ === 'error') return this.#failed(message, channel, id);
    // Late messages of a connection that is closed here are the rule at its end.
    if (!channel) return;
    switch (message.typ) {
      case 'new':
        channel.accepted(grantedTerms(message.props), ours);
        break;
      case 'forward':
        channel.take(message.body);
        break;
      case 'ack':
        channel.acknowledge(message.props.received);
        break;
      case 'end':
        channel.peerEnded();
        break;
      case 'stop':
        this.#channels.delete(id);
        channel.stopped();
        break;
    }
  }

  /** A stock device does not say which connection it means: of a refused one it can only be the oldest that waits. */
  #failed({ body }: Extract<Message, { typ: 'error' }>, named: Channel | undefined, id: string): void {
    if (body.msgtype !== 'new' && !named) return;
    const found = named ? ([id, named] as const) : [...this.#channels].find(([, channel]) => channel.waits);
    if (!found) return;
    this.#channels.delete(found[0]);
    found[1].refused(body.err);
  }
}
