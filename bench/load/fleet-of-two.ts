// For benches that move bytes: one server with a device of ours and one of Mender's, and an SSH server, all here.
import { spawn, type ChildProcess } from 'node:child_process';
import { createInterface } from 'node:readline';
import { join } from 'node:path';
import { PeerMissing, peer, peerEnvironment } from '../../test/peers.ts';
import { Rig } from '../../test/stage/rig.ts';
import { startSshd } from '../../test/stage/sshd.ts';
import type { Row } from '../row.ts';

export interface Parties extends AsyncDisposable {
  readonly rig: Rig;
  /** Id of the device with our daemon. */
  readonly ours: string;
  /** What `ssh` and `scp` need to log in to this machine; undefined where there is no SSH server to be had. */
  readonly ssh: readonly string[] | undefined;
  /** mender-cli, how it logs in, and the id of a device with mender-connect. */
  readonly mender: { tool: string; args: readonly string[]; env: NodeJS.ProcessEnv; device: string } | undefined;
}

export async function parties(quiet: boolean): Promise<Parties> {
  const stack = new AsyncDisposableStack();
  const rig = stack.use(await Rig.start('bench'));
  const ours = (await rig.device('patchbay')).id;
  const ssh = await attempt('ssh', quiet, async () => stack.use(await startSshd(rig.folder)).options);
  const mender = await attempt('mender-cli and mender-connect', quiet, async () => ({
    tool: join(await peer('mender-cli'), 'usr', 'bin', 'mender-cli'),
    args: ['--server', rig.server.url, '--token-value', rig.operator.token],
    env: { ...process.env, ...(await peerEnvironment('mender-cli')), HOME: rig.folder },
    device: (await rig.device('mender')).id,
  }));
  return { rig, ours, ssh, mender, [Symbol.asyncDispose]: () => stack.disposeAsync() };
}

/** A machine without the real programs, or without what it takes to make a line, still measures what it can. */
export async function attempt<T>(name: string, quiet: boolean, start: () => Promise<T>): Promise<T | undefined> {
  try {
    return await start();
  } catch (error) {
    if (!(error instanceof PeerMissing)) throw error;
    if (!quiet) console.error(`bench: without ${name}: ${error.message}`);
    return undefined;
  }
}

/** Runs a program to its end; ms that it took. Throws what it said if it fails. */
export async function timed(command: string, args: readonly string[], env = process.env): Promise<number> {
  const begun = performance.now();
  const child = spawn(command, args, { env, stdio: ['ignore', 'ignore', 'pipe'] });
  let said = '';
  child.stderr.on('data', (bytes: Buffer) => (said += bytes.toString()));
  const code = await new Promise<number | null>((resolve) => child.once('close', resolve));
  if (code !== 0) throw new Error(`${command} ended with ${code}: ${said}`);
  return performance.now() - begun;
}

/** Starts a program and waits until it has said something; `[Symbol.dispose]` ends it. */
export async function running(
  command: string,
  args: readonly string[],
  env: NodeJS.ProcessEnv,
  pattern: RegExp,
): Promise<{ match: RegExpExecArray } & Disposable> {
  const child: ChildProcess = spawn(command, args, { env, stdio: ['ignore', 'pipe', 'pipe'] });
  const found = Promise.withResolvers<RegExpExecArray>();
  for (const stream of [child.stdout, child.stderr])
    createInterface(stream!).on('line', (line) => {
      const match = pattern.exec(line);
      if (match) found.resolve(match);
    });
  child.once('exit', (code) => found.reject(new Error(`${command} ended with ${code}`)));
  return { match: await found.promise, [Symbol.dispose]: () => void child.kill('SIGKILL') };
}

/** Bytes a second of ours beside another's. */
export function rate(bench: string, what: string, ours: number, against: string, other: number, least: number): Row {
  const ratio = ours / other;
  return { bench, case: what, unit: 'MB/s', ours, against, other, ratio, target: `≥ ${least}`, met: ratio >= least };
}
