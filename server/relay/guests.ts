import type { WebSocket } from 'ws';
import { messageOf } from '#base/errors';
import type { Log } from '#base/log';
import { control, decode, encode, ProtoType, toFrame, type LooseMessage, type Participant } from '#proto';
import { closeSoon } from './closing.ts';
import type { Person, Stand } from './events.ts';
import { Tail } from './tail.ts';

/** What may wait for a guest: he is sent away before he holds anybody up, bytes. */
const behind = 8 * 1024 * 1024;
/** At one terminal at a time. */
const most = 16;

export interface GuestsOptions {
  readonly log: Log;
  readonly sid: string;
  readonly owner: () => string;
  /** Keys of one who may type. */
  readonly type: (body: Uint8Array, userId: string) => void;
  /** Somebody came or went, or may do more or less than before. */
  readonly changed: () => void;
}

/** Other people at one terminal: they see what its owner sees, and type if he lets them. */
export class Guests {
  readonly #options: GuestsOptions;
  readonly #guests = new Map<WebSocket, Person>();
  readonly #tail = new Tail();
  #size: { cols: number; rows: number } | undefined;
  #typing = false;
  hadAny = false;

  constructor(options: GuestsOptions) {
    this.#options = options;
  }

  get list(): Participant[] {
    const role = this.#typing ? 'types' : 'watches';
    return [...this.#guests.values()].map(({ name }) => ({ name, role }));
  }

  get size(): { cols: number; rows: number } | undefined {
    return this.#size;
  }

  get everybody(): Participant[] {
    return [{ name: this.#options.owner(), role: 'owner' }, ...this.list];
  }

  get typing(): boolean {
    return this.#typing;
  }

  set typing(typing: boolean) {
    if (typing === this.#typing) return;
    this.#typing = typing;
    this.#changed();
  }

  add(socket: WebSocket, person: Person): void {
    if (this.#guests.size >= most) return closeSoon(socket, 1008, `at most ${most} people watch one terminal`);
    this.hadAny = true;
    this.#guests.set(socket, person);
    socket.on('message', (data) => this.#receive(socket, person, data as Buffer));
    socket.on('error', (error) => this.#options.log.debug('guest failed', { error: messageOf(error) }));
    socket.once('close', () => {
      if (this.#guests.delete(socket)) this.#changed();
    });
    this.#tell(socket, { typ: 'session', body: { sid: this.#options.sid, resume: false, up: true } });
    this.#changed();
  }

  output(body: Uint8Array, frame: Uint8Array): void {
    this.#tail.push(body);
    this.#spread(frame);
  }

  /** The shell has ended. */
  stopped(frame: Uint8Array): void {
    this.#spread(frame);
  }

  resize(cols: number, rows: number): void {
    this.#size = { cols, rows };
    for (const socket of this.#guests.keys()) this.#sendSize(socket);
  }

  /** Each guest as what it stands on: his login, and his right to a terminal on this device. */
  stands(deviceId: string): Stand[] {
    return [...this.#guests].map(([socket, { userId, tokenId }]) => ({
      userId,
      tokenId,
      deviceId,
      rights: ['sessions:terminal'],
      end: (why) => {
        if (!this.#guests.delete(socket)) return;
        this.#dismiss([socket], why);
        this.#changed();
      },
    }));
  }

  leave(why: string): void {
    const guests = [...this.#guests.keys()];
    this.#guests.clear();
    this.#dismiss(guests, why);
  }

  #dismiss(guests: readonly WebSocket[], why: string): void {
    for (const socket of guests) {
      const hdr = { proto: ProtoType.Shell, typ: 'stop', sid: this.#options.sid, props: { status: 2n } };
      socket.send(encode({ hdr, body: Buffer.from(why) }));
      closeSoon(socket, 1000, why);
    }
  }

  #receive(socket: WebSocket, person: Person, data: Buffer): void {
    let message;
    try {
      message = decode(data);
    } catch (error) {
      return closeSoon(socket, 1007, messageOf(error));
    }
    const { proto, typ } = message.hdr;
    if (proto === ProtoType.Control && typ === 'ping') return this.#tell(socket, { typ: 'pong' });
    if (proto !== ProtoType.Shell) return;
    if (typ === 'new') return this.#show(socket);
    if (typ === 'stop') return closeSoon(socket, 1000, 'left');
    if (typ === 'shell' && message.body && this.#typing) this.#options.type(message.body, person.userId);
  }

  /** What a guest sees first: that he is in, how large the screen is, and what was on it last. */
  #show(socket: WebSocket): void {
    const { sid } = this.#options;
    const props = { status: 1n };
    socket.send(encode({ hdr: { proto: ProtoType.Shell, typ: 'new', sid, props }, body: Buffer.from('Shell joined') }));
    this.#sendSize(socket);
    const body = this.#tail.bytes;
    if (body.length > 0) socket.send(encode({ hdr: { proto: ProtoType.Shell, typ: 'shell', sid, props }, body }));
  }

  #sendSize(socket: WebSocket): void {
    if (!this.#size) return;
    const props = { terminal_width: this.#size.cols, terminal_height: this.#size.rows };
    socket.send(encode({ hdr: { proto: ProtoType.Shell, typ: 'resize', sid: this.#options.sid, props } }));
  }

  #spread(frame: Uint8Array): void {
    for (const socket of this.#guests.keys())
      if (socket.bufferedAmount > behind)
        closeSoon(socket, 1008, 'your connection is too slow for what the device sends');
      else socket.send(frame, { binary: true });
  }

  #changed(): void {
    this.#options.changed();
    const people = this.everybody;
    let self = 0;
    for (const socket of this.#guests.keys()) this.#tell(socket, { typ: 'people', body: { people, self: ++self } });
  }

  #tell(socket: WebSocket, message: LooseMessage): void {
    socket.send(encode(toFrame(control, message, this.#options.sid)));
  }
}
