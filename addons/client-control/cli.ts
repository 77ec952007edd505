import { CodedError } from '#base/errors';
import { defineCli, type CliHost, type FillCommand } from '#addon/cli';
import manifest from './manifest.ts';
import { ClientStatus, type Message } from './protocol.ts';

type Host = CliHost<typeof manifest>;

const utf8 = new TextDecoder();
/** For the device's answer, ms: its client's program may take half a minute. */
const answerTime = 40_000;

const say =
  (word: Message['typ'], done: string): FillCommand<typeof manifest> =>
  (command, host) => {
    command.argument('<devices...>', 'ids, names or unique prefixes of them').action(async (wanted: string[]) => {
      for (const one of wanted) {
        const device = await host.resolveDevice(one);
        await tell(host, device.id, word).catch((error: unknown) => {
          throw new CodedError('failed', `${device.name}: ${error instanceof Error ? error.message : String(error)}`);
        });
        host.stderr.write(`${device.name} ${done}\n`);
      }
    });
  };

export default defineCli(manifest, {
  'check-update': say('check-update', 'looks for an update now'),
  'send-inventory': say('send-inventory', 'sends its inventory now'),
});

async function tell(host: Host, deviceId: string, word: Message['typ']): Promise<void> {
  const session = await host.openSession(deviceId);
  const late = setTimeout(() => session.close(), answerTime);
  try {
    session.send({ typ: word, props: {}, body: new Uint8Array() });
    for await (const { typ, props, body } of session) {
      if (typ !== word) continue;
      if (props.status === ClientStatus.Error) throw new CodedError('refused', utf8.decode(body));
      return;
    }
    const reason: unknown = session.signal.reason;
    const why = reason instanceof Error && reason.message !== 'closed' ? reason.message : 'its client does not answer';
    throw new CodedError('failed', why);
  } finally {
    clearTimeout(late);
    session.close();
  }
}
