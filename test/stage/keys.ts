// Keys at a device's terminal, and how long each takes to come back.
import type { OperatorSession } from '#addon/cli';
import manifest from '#addons/terminal/manifest';
import type { shell } from '#addons/terminal/protocol';
import type { MessageOf } from '#proto';
import { openSession } from '../../cli/session.ts';

type Message = MessageOf<typeof shell>;

export class Keys implements Disposable {
  readonly #session: OperatorSession<Message>;
  #heard = '';
  #wake: () => void = () => undefined;

  private constructor(session: OperatorSession<Message>) {
    this.#session = session;
    void this.#listen();
  }

  /** A shell with a quiet program in its place: only its terminal answers a key. */
  static async at(server: string, token: string, deviceId: string): Promise<Keys> {
    const session = await openSession<Message>({ server, token, deviceId, protocol: manifest.protocol!, resume: true });
    const keys = new Keys(session);
    session.send({ typ: 'new', props: { terminal_width: 80, terminal_height: 24 }, body: new Uint8Array() });
    await keys.#type("stty echo; printf 'far''away'; exec cat > /dev/null\n", 'faraway');
    return keys;
  }

  /** Types until `over` says so, at least `least` keys; ms that each took, sorted. */
  async type(least: number, over: () => boolean = () => true): Promise<number[]> {
    const times: number[] = [];
    while (times.length < least || !over()) {
      const word = `<${times.length}>`;
      const begun = performance.now();
      await this.#type(word, word);
      times.push(performance.now() - begun);
      // A line of the terminal holds 4096 keys.
      if (times.length % 200 === 0) await this.#type('\n', '\n');
      await new Promise((resolve) => setTimeout(resolve, 10));
    }
    return times.sort((a, b) => a - b);
  }

  async #type(text: string, wanted: string): Promise<void> {
    this.#heard = '';
    this.#session.send({ typ: 'shell', props: {}, body: Buffer.from(text) });
    while (!this.#heard.includes(wanted)) {
      if (this.#session.signal.aborted) throw this.#session.signal.reason;
      await new Promise<void>((resolve) => (this.#wake = resolve));
    }
  }

  async #listen(): Promise<void> {
    for await (const message of this.#session) {
      if (message.typ === 'shell') this.#heard += Buffer.from(message.body).toString();
      if (message.typ === 'ping') this.#session.send({ typ: 'pong', props: {} });
      this.#wake();
    }
    this.#wake();
  }

  [Symbol.dispose](): void {
    this.#session.close();
  }
}
