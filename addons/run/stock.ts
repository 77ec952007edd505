import { randomBytes } from 'node:crypto';
import { Type } from 'typebox';
import { CodedError } from '#base/errors';
import type { NamedDevice, OperatorSession } from '#addon/cli';
import { Bytes, defineProtocol, type MessageOf, ProtoType } from '#proto';
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
/** A shell that has not answered an empty line by then never will, ms. */
const muteAfter = 3000;
/** On a busy device one in five shells is mute, and more after one that was. */
const mostTries = 8;
const none = new Uint8Array();
const utf8 = new TextDecoder();

/**
 * Runs a command in a shell of a device that knows nothing else. The terminal is told not to repeat what is typed and to
 * leave line ends alone; two marks that never stand whole in what is typed say where the output begins and ends. Output
 * and errors come as one, and there is no input. The shell is stopped, never told to exit: mender-connect 2.1 loses what a
 * shell said last before it ended by itself, and counts it among the user's for ever.
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
  const line = `stty -echo -opost; printf '%s:' ${mark}; (${command}\n) </dev/null; printf '%s:%d:' ${mark} $?\n`;
  if (line.length > lineLimit)
    throw new CodedError(
      'failed',
      `the Connect daemon of ${name} is not Patchbay's: it takes commands of ${lineLimit} bytes`,
    );
  for (let tries = mostTries; ; tries--) {
    const ended = await typeInto(
      await host.openOther(device.id, shell),
      host,
      line,
      new Scan(Buffer.from(`${nonce}:`)),
      work,
      take,
    );
    if (ended !== 'mute') return ended;
    if (tries > 1) continue;
    throw new CodedError('failed', `the Connect daemon of ${name} opens shells that say nothing: restart it there`);
  }
}

/**
 * Types the line once the shell has answered an empty one. `mute`: it did not. Of a few shells that mender-connect 2.1 starts
 * it never reads what they say; the command would run in one all the same, and nobody would know.
 */
async function typeInto(
  session: OperatorSession<MessageOf<typeof shell>>,
  host: Host,
  line: string,
  scan: Scan,
  work: Work,
  take: Take,
): Promise<Ended | 'mute'> {
  let ending: 'mute' | 'late' | undefined;
  const end = (why: 'mute' | 'late'): void => {
    ending = why;
    session.send({ typ: 'stop', props: {}, body: none });
    session.close();
  };
  const stop = (): void => session.close();
  let late: NodeJS.Timeout | undefined;
  let mute: NodeJS.Timeout | undefined;
  let typed = false;
  host.signal.addEventListener('abort', stop);
  try {
    session.send({ typ: 'new', props: { terminal_width: 500, terminal_height: 50 }, body: none });
    for await (const message of session) {
      if (message.typ === 'ping') session.send({ typ: 'pong', props: {} });
      if (message.typ === 'stop') break;
      if (message.typ === 'new') {
        if (message.props.status !== 1) throw new CodedError('failed', utf8.decode(message.body));
        session.send({ typ: 'shell', props: {}, body: Buffer.from('\n') });
        mute = setTimeout(end, muteAfter, 'mute');
      }
      if (message.typ !== 'shell') continue;
      if (!typed) {
        clearTimeout(mute);
        typed = true;
        if (work.timeout !== undefined) late = setTimeout(end, work.timeout * 1000, 'late');
        session.send({ typ: 'shell', props: {}, body: Buffer.from(line) });
      }
      const { output, code } = scan.take(message.body);
      if (output.length > 0) await take('output', output);
      if (code !== undefined) return { code, timedOut: false };
    }
    if (ending === 'late') return { code: 124, timedOut: true };
    if (ending === 'mute') return ending;
    if (session.signal.aborted) throw session.signal.reason;
    throw new CodedError('failed', 'the shell ended before the command did');
  } finally {
    clearTimeout(late);
    clearTimeout(mute);
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
