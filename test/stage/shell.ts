import { once } from 'node:events';
import { WebSocket } from 'ws';
import { decode, encode, ProtoType, type ProtoMsg } from '#proto';
import type { Operator } from './operator.ts';

/** A shell on a device over the management WebSocket, message by message. */
export class Shell implements Disposable {
  readonly #socket: WebSocket;
  readonly messages: ProtoMsg[] = [];
  text = '';
  #read = 0;
  #changed: (() => void)[] = [];

  private constructor(socket: WebSocket) {
    this.#socket = socket;
    const text = new TextDecoder();
    socket.on('message', (data: Buffer) => {
      const message = decode(data);
      this.messages.push(message);
      if (message.hdr.typ === 'shell') this.text += text.decode(message.body, { stream: true });
      this.#wake();
    });
    socket.on('close', () => this.#wake());
  }

  static async open(operator: Operator, device: string, props: Record<string, unknown> = {}): Promise<Shell> {
    const url = `${operator.url.replace(/^http/, 'ws')}/api/management/v1/deviceconnect/devices/${device}/connect`;
    const socket = new WebSocket(url, { headers: { authorization: `Bearer ${operator.token}` } });
    const shell = new Shell(socket);
    await once(socket, 'open');
    shell.send('new', props);
    return shell;
  }

  send(typ: string, props: Record<string, unknown> = {}, body?: string): void {
    const hdr = { proto: ProtoType.Shell, typ, props };
    this.#socket.send(encode(body === undefined ? { hdr } : { hdr, body: Buffer.from(body) }));
  }

  type(text: string): void {
    this.send('shell', {}, text);
  }

  /** The first message that satisfies, come already or to come. */
  async message(what: string, satisfies: (message: ProtoMsg) => boolean): Promise<ProtoMsg> {
    return await this.#until(what, () => this.messages.find(satisfies));
  }

  /** What the shell wrote since the last match, up to this one. */
  async shows(pattern: RegExp, timeout = 15_000): Promise<RegExpExecArray> {
    const look = () => {
      const match = pattern.exec(this.text.slice(this.#read));
      if (match) this.#read += match.index + match[0].length;
      return match ?? undefined;
    };
    return await this.#until(String(pattern), look, timeout);
  }

  /** Ends the shell and the session, as a person who leaves does. */
  async stop(): Promise<void> {
    this.send('stop');
    await this.message('the answer to stop', ({ hdr }) => hdr.typ === 'stop');
    const closed = once(this.#socket, 'close');
    this.#socket.close();
    await closed;
  }

  async #until<T>(what: string, look: () => T | undefined, timeout = 15_000): Promise<T> {
    for (const end = Date.now() + timeout; ;) {
      const found = look();
      if (found !== undefined) return found;
      if (Date.now() >= end || this.#socket.readyState >= WebSocket.CLOSING)
        throw new Error(`never came: ${what}; there is:\n${this.text.slice(-1000)}`);
      await new Promise<void>((resolve) => {
        const timer = setTimeout(resolve, end - Date.now());
        this.#changed.push(() => {
          clearTimeout(timer);
          resolve();
        });
      });
    }
  }

  [Symbol.dispose](): void {
    this.#socket.terminate();
  }

  #wake(): void {
    for (const changed of this.#changed.splice(0)) changed();
  }
}
