import { CodedError, codeOf } from '#base/errors';
import type { NamedDevice } from '#addon/cli';
import { runInShell } from './stock.ts';
import type { Ended, Host, Take, Work } from './work.ts';

/** Bytes of input in one message, below what any device takes. */
const piece = 4096;

/**
 * Runs one command on one device. On one whose Connect is not Patchbay's it is typed into a shell. Throws in words for a
 * person: offline, not permitted, no such program.
 */
export async function runOn(host: Host, device: NamedDevice, work: Work, take: Take): Promise<Ended> {
  const session = await host.openSession(device.id);
  const stop = (): void => session.close();
  host.signal.addEventListener('abort', stop);
  let begun = false;
  try {
    const { command, shell, timeout, input } = work;
    session.send({
      typ: 'start',
      body: { command: [...command], shell, ...(timeout === undefined ? {} : { timeout }) },
    });
    for await (const message of session) {
      switch (message.typ) {
        case 'started':
          begun = true;
          void feed();
          break;
        case 'failed':
          throw new CodedError('failed', message.body.why);
        case 'output':
        case 'errors':
          await take(message.typ, message.body);
          break;
        case 'exit':
          return { code: message.body.code, timedOut: message.body.timed_out ?? false };
        default:
          // What only a person says.
          break;
      }
    }
    async function feed(): Promise<void> {
      const bytes = input ?? new Uint8Array(0);
      for (let at = 0; at < bytes.length && !session.signal.aborted; at += piece)
        if (!session.send({ typ: 'input', body: bytes.subarray(at, at + piece) })) await session.drained();
      session.send({ typ: 'end' });
    }
    const why = session.signal.reason as unknown;
    if (!begun && codeOf(why) === 'not_offered') return await runInShell(host, device, work, take);
    throw why;
  } finally {
    host.signal.removeEventListener('abort', stop);
    session.close();
  }
}
