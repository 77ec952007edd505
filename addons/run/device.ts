import { constants } from 'node:os';
import type { Readable } from 'node:stream';
import { findAccount } from '#base/account';
import { messageOf } from '#base/errors';
import { defineDevice } from '#addon/device';
import manifest from './manifest.ts';
import { end, start } from './process.ts';
import type { Message } from './protocol.ts';

/** One command in each session: it dies with the session, whoever ends that. */
export default defineDevice(manifest, (device, config) => {
  let running = 0;
  if (config.Disable || config.Terminal.Disable) return {};

  return {
    async serve(session) {
      const messages = session[Symbol.asyncIterator]();
      const first = await messages.next();
      if (first.done) return;
      if (first.value.typ !== 'start') return fail('a command is started before anything else');
      if (running >= config.MaxRunning)
        return fail(`too many commands run on this device, at most ${config.MaxRunning}`);
      running++;
      try {
        await serve(first.value);
      } finally {
        running--;
      }

      async function serve({ body }: Extract<Message, { typ: 'start' }>): Promise<void> {
        const { command, shell, timeout } = body;
        let child;
        try {
          const account = await findAccount(config.User);
          child = await start(shell ? [config.ShellCommand, '-c', command.join(' ')] : command, account);
        } catch (error) {
          return fail(messageOf(error));
        }
        device.log.info('command', { command, pid: child.pid, user: session.userId });
        session.send({ typ: 'started', body: { pid: child.pid ?? 0 } });
        let timedOut = false;
        const late =
          timeout &&
          setTimeout(() => {
            timedOut = true;
            end(child);
          }, timeout * 1000);
        const stop = (): void => end(child);
        session.signal.addEventListener('abort', stop);
        // It need not read what it is given.
        child.stdin.on('error', () => undefined);
        void feed(child.stdin);
        try {
          const gone = new Promise<{ code: number | null; signal: NodeJS.Signals | null }>((resolve) =>
            child.once('exit', (code, signal) => resolve({ code, signal })),
          );
          const said = Promise.all([pass(child.stdout, 'output'), pass(child.stderr, 'errors')]);
          const { code, signal } = await gone;
          // What it left running in the background may hold the pipes open: that is not waited for.
          await Promise.race([said, new Promise((resolve) => setTimeout(resolve, 500))]);
          session.send({
            typ: 'exit',
            body: {
              code: code ?? 128 + (signal ? constants.signals[signal] : 0),
              ...(signal ? { signal } : {}),
              ...(timedOut ? { timed_out: true } : {}),
            },
          });
        } finally {
          clearTimeout(late || undefined);
          session.signal.removeEventListener('abort', stop);
          child.stdout.destroy();
          child.stderr.destroy();
        }
      }

      async function pass(stream: Readable, typ: 'output' | 'errors'): Promise<void> {
        try {
          for await (const body of stream as AsyncIterable<Uint8Array>)
            if (!session.send({ typ, body })) await session.drained();
        } catch {
          // Cut off after the exit.
        }
      }

      async function feed(input: NodeJS.WritableStream): Promise<void> {
        for (let next = await messages.next(); !next.done; next = await messages.next()) {
          if (next.value.typ === 'end') input.end();
          if (next.value.typ !== 'input' || input.write(next.value.body)) continue;
          await new Promise<void>((resolve) => {
            input.once('drain', resolve);
            input.once('close', resolve);
          });
        }
      }

      function fail(why: string): void {
        session.send({ typ: 'failed', body: { why: why.slice(0, 4096) } });
      }
    },
  };
});
