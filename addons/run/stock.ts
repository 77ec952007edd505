import { randomBytes } from 'node:crypto';
import { Type } from 'typebox';
import { CodedError } from '#base/errors';
import type { NamedDevice } from '#addon/cli';
import { Bytes, defineProtocol, ProtoType } from '#proto';
import type { Ended, Host, Take, Work } from './work.ts';

const Props = Type.Object({ status: Type.Optional(Type.Integer()) });

/** As much of Mender's shell protocol as it takes to type one line and read the answer. */
const shell = defineProtocol(ProtoType.Shell, {
  new: {
    props: Type.Object({
      status: Type.Optional(Type.Integer()),
      terminal_width: Type.Optional(Type.Integer()),
      terminal_height: Type.Optional(Type.Integer()),
    }),
    body: Bytes,
  },
  shell: { props: Props, body: Bytes },
  stop: { props: Props, body: Bytes },
  ping: { props: Type.Object({ status: Type.Optional(Type.Integer()), timeout: Type.Optional(Type.Integer()) }) },
  pong: { props: Type.Object({}) },
});

/** A line that is longer a terminal would cut (N_TTY: 4096 bytes with its end). */
const lineLimit = 4000;
const none = new Uint8Array();
const utf8 = new TextDecoder();

/**
 * Runs a command in a shell of a device that knows nothing else. The terminal is told not to repeat what is typed and to
 * leave line ends alone; two marks that never stand whole in what is typed say where the output begins and ends. Output
 * and errors come as one, and there is no input.
 */
export async function runInShell(host: Host, device: NamedDevice, work: Work, take: Take): Promise<Ended> {
  const name = device.name;
  if (work.input && work.input.length > 0)
    throw new CodedError(
      'failed',
      `the Connect daemon of ${name} is not Patchbay's: a command cannot read input there`,
    );
  const nonce = randomBytes(12).toString('hex');
  const [head, tail] = [nonce.slice(0, 8), nonce.slice(8)];
  const command = work.shell ? work.command.join(' ') : work.command.map(quoted).join(' ');
  const mark = `'${head}''${tail}'`;
  const line = `stty -echo -opost; printf '%s:' ${mark}; (${command}\n) </dev/null; printf '%s:%d:' ${mark} $?; exit\n`;
  if (line.length > lineLimit)
    throw new CodedError(
      'failed',
      `the Connect daemon of ${name} is not Patchbay's: it takes commands of ${lineLimit} bytes`,
    );
  const session = await host.openOther(device.id, shell);
  const scan = new Scan(Buffer.from(`${nonce}:`));
  let timedOut = false;
  const stop = (): void => session.close();
  const late =
    work.timeout === undefined
      ? undefined
      : setTimeout(() => {
          timedOut = true;
          session.send({ typ: 'stop', props: {}, body: none });
          session.close();
        }, work.timeout * 1000);
  host.signal.addEventListener('abort', stop);
  try {
    session.send({ typ: 'new', props: { terminal_width: 500, terminal_height: 50 }, body: none });
    for await (const message of session) {
      if (message.typ === 'ping') session.send({ typ: 'pong', props: {} });
      if (message.typ === 'stop') break;
      if (message.typ === 'new') {
        if (message.props.status !== 1) throw new CodedError('failed', utf8.decode(message.body));
        session.send({ typ: 'shell', props: {}, body: Buffer.from(line) });
      }
      if (message.typ !== 'shell') continue;
      const { output, code } = scan.take(message.body);
      if (output.length > 0) await take('output', output);
      if (code !== undefined) return { code, timedOut: false };
    }
    if (timedOut) return { code: 124, timedOut };
    if (session.signal.aborted) throw session.signal.reason;
    throw new CodedError('failed', 'the shell ended before the command did');
  } finally {
    clearTimeout(late);
    host.signal.removeEventListener('abort', stop);
    if (!session.signal.aborted) session.send({ typ: 'stop', props: {}, body: none });
    session.close();
  }
}

/** Finds the output between two marks, however it was cut on its way. */
class Scan {
  readonly #mark: Buffer;
  #kept = Buffer.alloc(0);
  #begun = false;

  constructor(mark: Buffer) {
    this.#mark = mark;
  }

  take(bytes: Uint8Array): { output: Uint8Array; code?: number } {
    this.#kept = Buffer.concat([this.#kept, bytes]);
    let at = this.#kept.indexOf(this.#mark);
    if (!this.#begun) {
      if (at < 0) {
        this.#kept = this.#kept.subarray(Math.max(0, this.#kept.length - this.#mark.length));
        return { output: none };
      }
      this.#begun = true;
      this.#kept = this.#kept.subarray(at + this.#mark.length);
      at = this.#kept.indexOf(this.#mark);
    }
    if (at >= 0) {
      const [, code] = /^(\d{1,3}):/.exec(this.#kept.subarray(at + this.#mark.length).toString('latin1')) ?? [];
      // The number is still on its way.
      if (code === undefined) return { output: none };
      return { output: this.#kept.subarray(0, at), code: Number(code) };
    }
    // What may be the beginning of the mark waits for the rest.
    const sure = Math.max(0, this.#kept.length - this.#mark.length + 1);
    const output = this.#kept.subarray(0, sure);
    this.#kept = this.#kept.subarray(sure);
    return { output };
  }
}

const quoted = (word: string): string => `'${word.replaceAll("'", "'\\''")}'`;
