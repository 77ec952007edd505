import { once } from 'node:events';
import { CodedError } from '#base/errors';
import { defineCli, type CliHost, type NamedDevice } from '#addon/cli';
import type { MessageOf } from '#proto';
import manifest from './manifest.ts';
import { FirstWord } from './first-word.ts';
import { Modes, Notice } from './own-screen.ts';
import { plainWords } from './plain-words.ts';
import { ShellStatus, type shell as protocol } from './protocol.ts';

type Message = MessageOf<typeof protocol>;
type Host = CliHost<typeof manifest>;

const none = new Uint8Array();
const utf8 = new TextDecoder();
/** Ctrl-]: leaves, as in mender-cli and telnet. */
const leaveKey = 0x1d;
/** Ctrl-D: how a terminal says that the input is over. */
const endOfInput = Uint8Array.of(4);
/** Until a person is told that it is the device that lets him wait, ms. */
const silence = 2000;
/** A read that is longer was pasted or piped, and a Ctrl-] in it is data. */
const typedAtMost = 16;

const roles = { owner: 'has this terminal', types: 'types too', watches: 'watches' } as const;

/** How a session ended: the program's exit code, and a line if it was not the shell that ended it. */
interface Outcome {
  readonly code: number;
  readonly say?: string;
}

export default defineCli(manifest, {
  terminal(command, host) {
    command
      .argument('<device>', 'id, name or a unique prefix of it')
      .option('--join <session>', "sit down at somebody else's terminal, by its id or the beginning of it")
      .option('--share', 'let those who join this terminal type, not only watch')
      .addHelpText('after', '\nCtrl-] leaves. The exit code is that of the shell.')
      .action(async (wanted: string, options: Options) => {
        const device = await host.resolveDevice(wanted);
        const join = options.join === undefined ? undefined : await findTerminal(host, device, options.join);
        const { code, say } = await converse(host, device, { ...options, ...(join === undefined ? {} : { join }) });
        if (say !== undefined) host.stderr.write(`${say}\n`);
        host.exit(code);
      });
  },
});

interface Options {
  readonly join?: string;
  readonly share?: boolean;
}

const sessionsPath = '/api/management/v1/patchbay/sessions';

/** The terminal of a device whose id begins so. */
async function findTerminal(host: Host, device: NamedDevice, prefix: string): Promise<string> {
  const answer = await host.fetch(`${sessionsPath}?device=${encodeURIComponent(device.id)}`);
  if (!answer.ok) throw new CodedError('failed', `the terminals of ${device.name} cannot be read: ${answer.status}`);
  const open = (await answer.json()) as { id: string; kind: string | null }[];
  const found = open.filter(({ id, kind }) => kind === 'terminal' && id.startsWith(prefix));
  if (found.length === 1) return found[0]!.id;
  throw new CodedError(
    'failed',
    found.length === 0
      ? `nobody has a terminal ${prefix} open on ${device.name}: 'patchbay sessions' lists them`
      : `'${prefix}' is the beginning of ${found.length} terminals on ${device.name}: give more of the id`,
  );
}

/** From the opening of the shell to its end, with the keyboard and the screen given back whatever happens. */
async function converse(host: Host, device: NamedDevice, { join, share }: Options): Promise<Outcome> {
  const { stdin, stdout, stderr } = host;
  const opened = await host.openSession(device.id, join);
  const another = (opening: boolean): void => {
    const line = 'the shell says nothing, as some of mender-connect do: opening another';
    if (!opening) return;
    if (stdin.isTTY) notice.say(line);
    else stderr.write(`${device.name}: ${line}\n`);
  };
  const session = join === undefined ? new FirstWord(opened, another) : opened;
  const screen = new Modes(stdout);
  const watch = new Health(() => left.resolve({ code: 1, say: 'the device does not answer any more' }));
  const left = Promise.withResolvers<Outcome>();
  const resize = (): void => {
    const { columns, rows } = stdout;
    if (columns && rows) session.send({ typ: 'resize', props: { terminal_width: columns, terminal_height: rows } });
  };
  /** A program that draws the whole screen draws it again when the size changes. */
  function nudge(): void {
    const { columns, rows } = stdout;
    if (!columns || !rows) return;
    for (const height of [rows - 1 || 1, rows])
      session.send({ typ: 'resize', props: { terminal_width: columns, terminal_height: height } });
  }
  const stopped = (): void => left.resolve({ code: 1 });
  host.signal.addEventListener('abort', stopped);
  const notice = new Notice(stdin.isTTY === true ? stderr : undefined, device.name, screen, nudge);
  session.onLink((up) => {
    // The device does not ask while it is away.
    if (!up) watch.stop();
    if (typing) notice.link(up);
  });
  let others = '';
  session.onPeople?.((people, self) => {
    const now = people
      .flatMap(({ name, role }, index) => (index === self ? [] : [`${name} ${roles[role]}`]))
      .join(', ');
    // A guest is told what his own keys do; that others cannot be seen to type is no sign of it.
    const mine = { owner: '', types: ', and you may type', watches: ', and you only watch' }[
      people[self]?.role ?? 'owner'
    ];
    if (now + mine !== others) notice.say((now || 'nobody else is here') + mine);
    others = now + mine;
  });
  let typing: Promise<void> | undefined;
  let waiting: NodeJS.Timeout | undefined;
  let outcome: Outcome = { code: 1 };
  try {
    const { columns, rows } = stdout;
    const size = columns && rows ? { terminal_width: columns, terminal_height: rows } : {};
    session.send({ typ: 'new', props: size, body: none });
    waiting = setTimeout(() => stderr.write(`waiting for ${device.name} to answer (Ctrl-C leaves)\n`), silence);
    outcome = await Promise.race([receive(), left.promise]);
    return outcome;
  } finally {
    host.signal.removeEventListener('abort', stopped);
    stdout.off('resize', resize);
    watch.stop();
    clearTimeout(waiting);
    session.send({ typ: 'stop', props: {}, body: none });
    session.close();
    stdin.setRawMode?.(false);
    stdin.destroy();
    await typing;
    if (typing && stdout.isTTY) screen.restore();
  }

  async function receive(): Promise<Outcome> {
    for await (const message of session) {
      switch (message.typ) {
        case 'new':
          started(message);
          break;
        case 'shell':
          if (message.props.status === ShellStatus.Error) throw refused(utf8.decode(message.body));
          screen.seen(message.body);
          if (!stdout.write(message.body)) await once(stdout, 'drain');
          break;
        case 'stop':
          return endOf(message);
        case 'ping':
          watch.expect(message.props.timeout ?? 0);
          session.send({ typ: 'pong', props: {} });
          break;
        case 'resize':
        case 'pong':
          break;
      }
    }
    const reason: unknown = session.signal.reason;
    return { code: 1, say: reason instanceof Error ? reason.message : 'connection lost' };
  }

  function started({ props, body }: Extract<Message, { typ: 'new' }>): void {
    clearTimeout(waiting);
    if (props.status === ShellStatus.Error) throw refused(utf8.decode(body));
    if (typing) return;
    if (stdin.isTTY) {
      stderr.write(`Connected to ${device.name}. Ctrl-] leaves.\r\n`);
      stdin.setRawMode?.(true);
    }
    // A guest's screen is as large as it is.
    if (join === undefined) stdout.on('resize', resize);
    if (share) void letType();
    typing = type();
  }

  async function letType(): Promise<void> {
    const body = JSON.stringify({ typing: true });
    const headers = { 'Content-Type': 'application/json' };
    const answer = await host.fetch(`${sessionsPath}/${session.sid}`, { method: 'PATCH', headers, body });
    if (!answer.ok) notice.say('nobody else may type: the server said no');
  }

  function farewell(): string {
    if (join !== undefined) return 'left';
    return notice.away
      ? 'left; the device closes the shell when it has waited long enough'
      : 'left, the shell is closed';
  }

  /**
   * Keys to the device, until the person leaves. A full link stops the reading, and so whoever fills the pipe. Events,
   * because an iterator would stop and start the reading with each key: a terminal's stream buffers nothing.
   */
  async function type(): Promise<void> {
    const over = Promise.withResolvers<void>();
    stdin.on('data', (chunk: Buffer) => {
      const leave = chunk.length <= typedAtMost && stdin.isTTY ? chunk.indexOf(leaveKey) : -1;
      const body = leave < 0 ? chunk : chunk.subarray(0, leave);
      if (body.length > 0 && !session.send({ typ: 'shell', props: {}, body })) {
        stdin.pause();
        void session.drained().then(() => stdin.resume());
      }
      if (leave >= 0) left.resolve({ code: 0, say: `\r\n${farewell()}` });
    });
    stdin.once('end', () => {
      if (!session.signal.aborted) session.send({ typ: 'shell', props: {}, body: endOfInput });
    });
    // The keyboard is gone, or was given back at the end.
    for (const event of ['end', 'error', 'close'] as const) stdin.on(event, over.resolve);
    await over.promise;
  }

  function refused(why: string): CodedError {
    return new CodedError('refused', `no shell on ${device.name}: ${why}`);
  }
}

/** Ours says the exit code; a stock device says that its terminal cannot be read any more; a server says why. */
function endOf({ props, body }: Extract<Message, { typ: 'stop' }>): Outcome {
  if (props.exit_code !== undefined) return { code: Math.min(props.exit_code, 255) };
  const why = utf8.decode(body);
  return why === '' || why.includes('input/output error') ? { code: 0 } : { code: 1, say: `\r\n${plainWords(why)}` };
}

/** The device asks for a sign of life and says until when it will ask again; when it does not, it is gone. */
class Health {
  readonly #lost: () => void;
  #timer: NodeJS.Timeout | undefined;
  constructor(lost: () => void) {
    this.#lost = lost;
  }
  expect(seconds: number): void {
    clearTimeout(this.#timer);
    if (seconds > 0) this.#timer = setTimeout(this.#lost, seconds * 1000);
  }
  stop(): void {
    clearTimeout(this.#timer);
  }
}
