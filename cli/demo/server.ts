import { randomInt } from 'node:crypto';
import { createServer, type AddressInfo } from 'node:net';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { codeOf } from '#base/errors';
import { failed } from '../failure.ts';
import type { Programs } from './places.ts';
import type { DemoProcess, Processes } from './processes.ts';

/** The port to use: the wanted one, or, if none is wanted, `usual` or one that is free. */
export async function choosePort(wanted: number | undefined, usual: number): Promise<number> {
  if (wanted !== undefined) {
    if (await isFree(wanted)) return wanted;
    throw failed(`port ${wanted} is in use: give another one by --port, or none for any that is free`);
  }
  return usual && (await isFree(usual)) ? usual : await freePort();
}

async function isFree(port: number): Promise<boolean> {
  return (await bind(port)) !== undefined;
}

async function freePort(): Promise<number> {
  const port = await bind(0);
  if (port === undefined) throw failed('no port is free on 127.0.0.1');
  return port;
}

async function bind(port: number): Promise<number | undefined> {
  const server = createServer();
  const { promise, resolve, reject } = Promise.withResolvers<number | undefined>();
  server.once('error', (error) => (codeOf(error) === 'EADDRINUSE' ? resolve(undefined) : reject(error)));
  server.listen(port, '127.0.0.1', () => resolve((server.address() as AddressInfo).port));
  const bound = await promise.catch((error: unknown) => {
    throw failed(`port ${port} cannot be used: ${codeOf(error) ?? 'unknown error'}`, { cause: error });
  });
  await new Promise<void>((done) => server.close(() => done()));
  return bound;
}

export interface DemoServer {
  readonly url: string;
  readonly process: DemoProcess;
}

/** Starts the server in `folder`; resolves when it answers. */
export async function startServer(
  programs: Programs,
  processes: Processes,
  { folder, port }: { folder: string; port: number },
): Promise<DemoServer> {
  const url = `http://127.0.0.1:${port}`;
  const options = ['--data', join(folder, 'server'), '--listen', `127.0.0.1:${port}`, '--public-url', url];
  const process = await processes.start('server', programs.node, [...programs.patchbay, 'server', ...options], {
    cwd: folder,
    env: programs.environment,
  });
  while (!(await isHealthy(url))) {
    if (!process.running) throw failed(`the server does not start: ${await process.tail(3)}`);
    await sleep(25);
  }
  return { url, process };
}

async function isHealthy(url: string): Promise<boolean> {
  const response = await fetch(`${url}/health`, { signal: AbortSignal.timeout(2000) }).catch(() => undefined);
  await response?.body?.cancel();
  return response?.status === 200;
}

/** Makes the first user, as an administrator does it on the server's machine. */
export async function addUser(
  programs: Programs,
  processes: Processes,
  { folder, email, password, signal }: { folder: string; email: string; password: string; signal: AbortSignal },
): Promise<void> {
  const args = ['user', 'add', '--data', join(folder, 'server'), email, '--password-stdin', '--role', 'admin'];
  const options = { cwd: folder, env: programs.environment, input: `${password}\n`, signal };
  const { code, err } = await processes.run(programs.node, [...programs.patchbay, ...args], options);
  if (code !== 0) throw failed(`the first user cannot be made: ${err.trim()}`);
}

/** Good enough to keep other people of this machine out, and can be typed: four groups of four. */
export function makePassword(): string {
  const letters = 'abcdefghjkmnpqrstuvwxyz23456789';
  const group = () => Array.from({ length: 4 }, () => letters[randomInt(letters.length)]).join('');
  return [group(), group(), group(), group()].join('-');
}
