import type { Static } from 'typebox';
import { findAccount } from '#base/account';
import { messageOf } from '#base/errors';
import { defineDevice, type Device, type DeviceHalf, type Session } from '#addon/device';
import { bodyChunk, type MessageOf } from '#proto';
import manifest from './manifest.ts';
import { shell as protocol, ShellStatus } from './protocol.ts';
import { Pty } from './pty.ts';
import { Watch, type WatchTimes } from './watch.ts';

type Message = MessageOf<typeof protocol>;
type Config = Static<(typeof manifest)['config']>;

/** Shells on one device, whoever opened them. */
const deviceLimit = 16;
/** After the shell's exit, ms: how long the peer's `stop` is waited for, so that it is answered with success. */
const farewellTime = 10_000;

const utf8 = new TextEncoder();
const none = new Uint8Array();

/** Times are for tests: a shell is watched for minutes. */
export function terminal(device: Device, config: Config, times?: Partial<WatchTimes>): DeviceHalf<typeof manifest> {
  /** One entry a session that has a shell. */
  const shells = new Map<Session<Message>, Pty | undefined>();
  const perUser = config.Sessions.MaxPerUser || 16;

  // The type is the peer's own, whatever it is; that of the status is spelt out because no schema widens it here.
  const refuse = (typ: string): Message =>
    ({
      typ,
      props: { status: BigInt(ShellStatus.Error) },
      body: utf8.encode(`unknown message protocol and type: ${protocol.number}/${typ}`),
    }) as unknown as Message;
  if (config.Disable) return { refuse };

  return {
    refuse,
    keepsAlive: true,
    async serve(session) {
      const over = Promise.withResolvers<void>();
      const watch = new Watch({ ...times, ...expiry(config) }, { ask, dead: (why) => finish(why) });
      let pty: Pty | undefined;
      let stopping = false;
      let unlink = (): void => undefined;
      try {
        await Promise.race([receive(), over.promise]);
      } finally {
        unlink();
        watch[Symbol.dispose]();
        shells.delete(session);
        await pty?.end();
      }

      async function receive(): Promise<void> {
        for await (const message of session) {
          watch.heard();
          switch (message.typ) {
            case 'new':
              await open(message.props);
              if (!pty) return;
              break;
            case 'shell':
              if (!pty) return fail('shell', 'session not found');
              watch.used();
              if (!pty.write(message.body)) await pty.writable();
              break;
            case 'resize':
              resize(message.props);
              break;
            case 'stop':
              return await stop();
            case 'ping':
              session.send({ typ: 'pong', props: {} });
              break;
            case 'pong':
              break;
          }
        }
      }

      async function open({ ask_patchbay, ...size }: Asked): Promise<void> {
        const why = refusal();
        if (why) return fail('new', why);
        shells.set(session, undefined);
        try {
          pty = await Pty.spawn({
            command: config.ShellCommand,
            args: config.ShellArguments,
            account: await findAccount(config.User),
            cols: side(size.terminal_width) ?? config.Width,
            rows: side(size.terminal_height) ?? config.Height,
            foreign: [...shells.values()].flatMap((other) => (other ? [other.fd] : [])),
            output,
          });
        } catch (error) {
          shells.delete(session);
          return fail('new', `failed to start shell: ${messageOf(error)}`);
        }
        shells.set(session, pty);
        watch.start();
        unlink = session.onLink((up) => watch.linked(up));
        device.log.info('shell started', { sid: session.sid, user: session.userId, pid: pty.pid });
        const props = { status: ShellStatus.Normal, ...(ask_patchbay ? { patchbay: true } : {}) };
        session.send({ typ: 'new', props, body: utf8.encode('Shell started') });
        void pty.finished.then((code) => {
          device.log.info('shell ended', { sid: session.sid, code });
          finish(`shell exited with code ${code}`, code);
        });
      }

      function refusal(): string | undefined {
        if (pty) return 'failed to start shell: shell is already running';
        if (shells.size >= deviceLimit) return 'too many shells spawned';
        const mine = [...shells.keys()].filter((other) => other.userId === session.userId);
        return mine.length >= perUser ? 'user has too many open sessions' : undefined;
      }

      function output(bytes: Uint8Array): void {
        let room = true;
        for (let at = 0; at < bytes.length; at += bodyChunk) {
          const body = bytes.subarray(at, at + bodyChunk);
          room = session.send({ typ: 'shell', props: { status: ShellStatus.Normal }, body });
        }
        if (room) return;
        pty?.pause();
        void session.drained().then(() => pty?.resume());
      }

      function resize({ terminal_width, terminal_height }: Size): void {
        const cols = side(terminal_width);
        const rows = side(terminal_height);
        if (cols && rows) pty?.resize(cols, rows);
      }

      /** The device's side ends: says why, gives the place back, and leaves the peer time for its own `stop`. */
      function finish(why: string, code?: number): void {
        if (stopping || !pty) return;
        stopping = true;
        unlink();
        shells.delete(session);
        watch[Symbol.dispose]();
        const props = { status: ShellStatus.Error, ...(code === undefined ? {} : { exit_code: code }) };
        session.send({ typ: 'stop', props, body: utf8.encode(why) });
        void pty.end();
        // Counted from when the peer can know: until then there is output under way to him.
        void session.drained().then(() => setTimeout(over.resolve, farewellTime).unref());
      }

      async function stop(): Promise<void> {
        if (pty) {
          stopping = true;
          await pty.end();
        } else if (session.sid) {
          return fail('stop', `routeMessage: StopShellMessage: session not found for id ${session.sid}`);
        } else if (session.userId) {
          const mine = [...shells].filter(([other]) => other.userId === session.userId);
          await Promise.all(mine.flatMap(([, shell]) => shell?.end() ?? []));
        } else {
          return fail('stop', 'StopShellMessage: sessionId not given and userId empty');
        }
        session.send({ typ: 'stop', props: { status: ShellStatus.Normal }, body: none });
      }

      function ask(timeout: number): void {
        session.send({ typ: 'ping', props: { timeout, status: ShellStatus.Control } });
      }

      function fail(typ: 'new' | 'shell' | 'stop', why: string): void {
        session.send({ typ, props: { status: ShellStatus.Error }, body: utf8.encode(why) });
      }
    },
  };
}

type Asked = Extract<Message, { typ: 'new' }>['props'];

interface Size {
  readonly terminal_width: number;
  readonly terminal_height: number;
}

function side(value: number | undefined): number | undefined {
  return value !== undefined && Number.isInteger(value) && value > 0 ? Math.min(value, 0xffff) : undefined;
}

/** Seconds until a shell is too old or too idle; of the two only one counts, and idle is it when both are set. */
function expiry({ Sessions: s }: Config): { expireAfter?: number; expireAfterIdle?: number } {
  if (!s.StopExpired) return {};
  if (s.ExpireAfterIdle) return { expireAfterIdle: s.ExpireAfterIdle };
  return s.ExpireAfter ? { expireAfter: s.ExpireAfter } : { expireAfterIdle: 600 };
}

/** One shell per session: it starts with `new` and ends with the session, whoever ends that. */
export default defineDevice(manifest, (device, config) => terminal(device, config));
