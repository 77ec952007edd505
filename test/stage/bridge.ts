// Ways between networks: a socket of the file system belongs to none, and reaches into all of them.
import { once } from 'node:events';
import { connect, createServer } from 'node:net';
import { Program } from './program.ts';

/** A port of the loopback, or the path of a socket. */
type End = number | string;

/** Whoever connects to `from` is connected to `to`; both as this process sees them. */
export async function bridge(from: End, to: End): Promise<AsyncDisposable & { readonly port: number }> {
  const server = createServer((here) => {
    const there = typeof to === 'number' ? connect(to, '127.0.0.1') : connect(to);
    here.on('error', () => there.destroy());
    there.on('error', () => here.destroy());
    here.pipe(there).pipe(here);
  });
  if (typeof from === 'number') server.listen(from, '127.0.0.1');
  else server.listen(from);
  await once(server, 'listening');
  const address = server.address();
  return {
    port: address !== null && typeof address === 'object' ? address.port : 0,
    [Symbol.asyncDispose]: async () => void server.close(),
  };
}

/** The same as a program of its own, to be started in another network; `command` says how one is. */
export async function bridgeProgram(
  from: End,
  to: End,
  command: (program: string, args: readonly string[]) => [string, readonly string[]],
): Promise<Program> {
  const script = `const { bridge } = await import(${JSON.stringify(import.meta.url)});
    await bridge(...JSON.parse(process.argv.at(-1)));
    console.log('ready');`;
  const args = ['--input-type=module', '-e', script, '--', JSON.stringify([from, to])];
  const program = new Program('bridge', ...command(process.execPath, args));
  await program.said(/^ready$/);
  return program;
}
