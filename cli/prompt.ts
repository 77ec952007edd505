import { StringDecoder } from 'node:string_decoder';
import type { Io } from './io.ts';
import { failed, interrupted, usage } from './failure.ts';

/** Longest line that is taken, characters. */
const limit = 4096;

/** Asks on the screen; with `secret` what is typed is not shown. Throws if nobody is there to answer. */
export async function ask(io: Io, question: string, { secret = false } = {}, signal?: AbortSignal): Promise<string> {
  if (!io.in.isTTY) throw failed(`cannot ask for '${question}': standard input is no terminal`);
  // Before the question: who is quick to answer must not be shown what he types.
  io.in.setRawMode?.(true);
  io.err.write(`${question}: `);
  try {
    return await line(io, secret, signal);
  } finally {
    io.in.setRawMode?.(false);
    io.in.pause();
    io.err.write('\n');
  }
}

/** Raw mode for both kinds of question: a line that the terminal edits would show the secret one before we could hide it. */
async function line(io: Io, secret: boolean, signal?: AbortSignal): Promise<string> {
  const decoder = new StringDecoder('utf8');
  let typed: string[] = [];
  const { promise, resolve, reject } = Promise.withResolvers<string>();
  const erase = (count: number) => {
    typed = typed.slice(0, typed.length - count);
    if (!secret) io.err.write('\b \b'.repeat(count));
  };
  const onData = (data: Buffer | string) => {
    const keys = Array.from(typeof data === 'string' ? data : decoder.write(data));
    for (const [at, key] of keys.entries()) {
      if (key === '\r' || key === '\n') {
        io.in.off('data', onData).pause();
        // Typed or pasted ahead, for the next question.
        if (at + 1 < keys.length) io.in.unshift(Buffer.from(keys.slice(at + 1).join('')));
        return resolve(typed.join(''));
      }
      if (key === '\u0003' || (key === '\u0004' && !typed.length)) return reject(interrupted());
      if (key === '\u007f' || key === '\b') {
        if (typed.length) erase(1);
      } else if (key === '\u0015') {
        erase(typed.length);
      } else if (key >= ' ' && typed.length < limit) {
        typed.push(key);
        if (!secret) io.err.write(key);
      }
    }
  };
  const onEnd = () => reject(interrupted());
  signal?.addEventListener('abort', onEnd, { once: true });
  io.in.on('data', onData).once('end', onEnd).resume();
  try {
    return await promise;
  } finally {
    io.in.off('data', onData).off('end', onEnd);
    signal?.removeEventListener('abort', onEnd);
  }
}

/** The first line (or lines) of standard input: a password from a script. */
export async function firstLine(io: Io, lines = 1): Promise<string> {
  let text = '';
  for await (const chunk of io.in) {
    text += String(chunk);
    if (text.split('\n').length > lines || text.length > limit) break;
  }
  const first = text.split(/\r?\n/, lines).join('\n');
  if (!first) throw failed('standard input has no password: pipe one line into --password-stdin');
  return first;
}

/** Asks before what cannot be undone, unless `yes` was given; throws if the person does not want it, or is not there. */
export async function confirm(io: Io, question: string, yes: boolean | undefined, signal: AbortSignal): Promise<void> {
  if (yes) return;
  if (!io.in.isTTY) throw usage('this cannot be undone: give --yes');
  if (!/^y(es)?$/i.test(await ask(io, `${question} [y/N]`, {}, signal))) throw failed('nothing was done');
}
