// A device that is connected, for what needs one: its end of the socket, and terminals of the operator with it.
import { setTimeout as pause } from 'node:timers/promises';
import { ProtoType } from '#proto';
import type { Stage } from '../../server/stage.ts';
import { Peer } from '../stage/peer.ts';

const sessions = '/api/management/v1/patchbay/sessions';

export class Line {
  readonly device: string;
  readonly #server: Stage;
  readonly #token: string;
  readonly #socket: Peer;
  readonly #people: Peer[] = [];

  private constructor(server: Stage, token: string, device: string, socket: Peer) {
    this.#server = server;
    this.#token = token;
    this.device = device;
    this.#socket = socket;
  }

  /** `token`: the operator's. */
  static async open(server: Stage, token: string): Promise<Line> {
    const { id, token: own } = await server.addDevice({ mac: 'connected' });
    const headers = { authorization: `Bearer ${own}` };
    const socket = await Peer.connect(`${server.url}/api/devices/v1/deviceconnect/connect`, { headers });
    return new Line(server, token, id, socket);
  }

  /** Opens a terminal; the id of its session. */
  async terminal(): Promise<string> {
    const headers = { authorization: `Bearer ${this.#token}` };
    const path = `/api/management/v1/deviceconnect/devices/${this.device}/connect`;
    const person = await Peer.connect(this.#server.url + path, { headers });
    this.#people.push(person);
    person.send({ proto: ProtoType.Shell, typ: 'new', props: { terminal_width: 80, terminal_height: 24 } });
    const { hdr } = await this.#socket.next({ typ: 'new' });
    this.#socket.send({ proto: ProtoType.Shell, typ: 'shell', sid: hdr.sid ?? '', props: {} }, 'hello\r\n');
    await person.next({ typ: 'shell' });
    return hdr.sid ?? '';
  }

  /** A recording of a terminal that is over. */
  async recording(): Promise<string> {
    const sid = await this.terminal();
    await this.#server.call('DELETE', `${sessions}/${sid}`, { token: this.#token });
    for (let left = 500; left > 0; left--) {
      const { body } = await this.#server.call('GET', '/api/management/v1/patchbay/recordings', { token: this.#token });
      if ((body as { id: string; ended_ts?: string }[]).some(({ id, ended_ts }) => id === sid && ended_ts)) return sid;
      await pause(20);
    }
    throw new Error('the terminal was not recorded to its end');
  }

  close(): void {
    for (const { socket } of [this.#socket, ...this.#people]) socket.terminate();
  }
}
