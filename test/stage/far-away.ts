// A server and devices with a long line between them, each side in a network namespace of its own.
import { execFile, spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { accessSync, constants } from 'node:fs';
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir, userInfo } from 'node:os';
import { join } from 'node:path';
import { buffer } from 'node:stream/consumers';
import { promisify } from 'node:util';
import type { Device } from '#proto/http/devices';
import { PeerMissing, peer, peerEnvironment } from '../peers.ts';
import { bridge, bridgeProgram } from './bridge.ts';
import { startBus } from './bus.ts';
import { data, layDevice } from './mender.ts';
import { Operator } from './operator.ts';
import { Program } from './program.ts';
import { launcher } from './server.ts';

const run = promisify(execFile);
const user = 'admin@example.com';
const password = 'correct horse battery';
const port = 8080;
const serverUrl = `http://10.99.0.1:${port}`;

/** One side: processes that are started in it have its network and nothing else. */
class Side implements AsyncDisposable {
  readonly #holder: ChildProcess;
  private constructor(holder: ChildProcess) {
    this.#holder = holder;
  }

  static async make(): Promise<Side> {
    const holder = spawn('unshare', ['--net', 'sh', '-c', 'echo ready; exec sleep 86400'], {
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    await once(holder.stdout, 'data');
    return new Side(holder);
  }

  get space(): string {
    return `/proc/${this.#holder.pid}/ns/net`;
  }

  /** A command as it is started in here. */
  command(program: string, args: readonly string[]): [string, string[]] {
    return ['nsenter', [`--net=${this.space}`, '--', program, ...args]];
  }

  program(name: string, program: string, args: readonly string[], env: NodeJS.ProcessEnv = process.env): Program {
    return new Program(name, ...this.command(program, args), env);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#holder.kill('SIGKILL');
    if (this.#holder.exitCode === null && this.#holder.signalCode === null) await once(this.#holder, 'exit');
  }
}

export interface Ran {
  readonly code: number | null;
  readonly out: Buffer;
  readonly err: string;
}

/** The operator and the server on one side; devices, and what they can reach, on the other. */
export class FarAway implements AsyncDisposable {
  readonly folder: string;
  readonly near: Side;
  readonly far: Side;
  readonly operator: Operator;
  readonly #line: Program;
  readonly #stack: AsyncDisposableStack;
  #server: Program;
  #connect: { program: Program; start: () => Promise<Program> } | undefined;
  #count = 0;

  private constructor(
    folder: string,
    sides: { near: Side; far: Side },
    line: Program,
    server: Program,
    operator: Operator,
    stack: AsyncDisposableStack,
  ) {
    this.folder = folder;
    this.near = sides.near;
    this.far = sides.far;
    this.#line = line;
    this.#server = server;
    this.operator = operator;
    this.#stack = stack;
  }

  static async start(): Promise<FarAway> {
    mayMakeLines();
    await using stack = new AsyncDisposableStack();
    const folder = await mkdtemp(join(tmpdir(), 'patchbay-far-'));
    stack.defer(() => rm(folder, { recursive: true, force: true }));
    const [near, far] = [stack.use(await Side.make()), stack.use(await Side.make())];
    const tool = join(folder, 'link');
    await run('cc', ['-O2', '-o', tool, join(import.meta.dirname, 'link.c')]);
    // What it is like it is told on its standard input.
    const line = stack.use(new Program('line', tool, [near.space, far.space], process.env, 'pipe'));
    await line.said(/^ready$/);
    const store = join(folder, 'server');
    await addUser(store);
    const server = await startServer(near, store);
    const url = await wayIn(near, folder, stack);
    const operator = await Operator.login(url, user, password);
    return new FarAway(folder, { near, far }, line, server, operator, stack.move());
  }

  /** One way, ms; lost packets of a million; bytes a second, 0 for any. */
  async line(how: { delay?: number; loss?: number; silent?: boolean; rate?: number }): Promise<void> {
    const words = Object.entries(how).map(
      ([name, value]) => `${name} ${name === 'delay' ? Number(value) * 1000 : Number(value)}`,
    );
    for (const word of words) {
      this.#line.lines.length = 0;
      this.#line.child.stdin?.write(`${word}\n`);
      await this.#line.said(new RegExp(`^${word}$`));
    }
  }

  /** A device at the far end, accepted and connected. */
  async device(connectDaemon: 'patchbay' | 'mender'): Promise<Device> {
    const folder = join(this.folder, `device-${++this.#count}`);
    await mkdir(folder);
    const mac = `02:00:00:00:99:0${this.#count}`;
    const bus = this.#stack.use(await startBus(folder));
    await layDevice({ folder, mac, type: 'bench', serverUrl });
    const env = { ...process.env, DBUS_SYSTEM_BUS_ADDRESS: bus.address };
    const places = ['--conf-dir', join(folder, 'etc', 'mender'), '--datastore', data(folder)];
    const share = ['--data-dir', join(folder, 'usr', 'share', 'mender')];
    const node = (name: string, args: readonly string[]) => this.far.program(name, process.execPath, args, env);
    this.#stack.use(node('patchbay client', [launcher, 'client', ...places, ...share, 'daemon']));
    const device = await this.operator.welcome(mac);
    const config = join(folder, 'connect.conf');
    const shell = { ShellCommand: '/bin/bash', ShellArguments: ['--norc'], User: userInfo().username };
    await writeFile(config, JSON.stringify(shell));
    const none = join(folder, 'none.conf');
    const start = async (): Promise<Program> => {
      const args = ['--config', config, '--fallback-config', none, 'daemon'];
      if (connectDaemon === 'patchbay') return node('patchbay connect', [launcher, 'connect', ...args]);
      const daemon = join(await peer('mender-connect'), 'usr', 'bin', 'mender-connect');
      const libraries = await peerEnvironment('mender-connect');
      return this.far.program('mender-connect', daemon, ['--config', config, 'daemon'], { ...env, ...libraries });
    };
    const program = await start();
    if (connectDaemon === 'patchbay') {
      this.#connect = { program, start };
      this.#stack.defer(async () => void (await this.#connect?.program.stop()));
    } else this.#stack.use(program);
    await this.operator.connected(device.id);
    return device;
  }

  get env(): NodeJS.ProcessEnv {
    return {
      ...process.env,
      PATCHBAY_SERVER: `http://127.0.0.1:${port}`,
      PATCHBAY_TOKEN: this.operator.token,
      XDG_CONFIG_HOME: join(this.folder, 'config'),
    };
  }

  /** Starts `patchbay …` beside the server. */
  patchbay(args: readonly string[]): ChildProcess {
    return spawn(...this.near.command(process.execPath, [launcher, ...args]), { env: this.env, stdio: 'pipe' });
  }

  async run(args: readonly string[]): Promise<Ran> {
    return await ended(this.patchbay(args));
  }

  /** A script of Node's on one side, to its end. */
  async node(side: Side, script: string, ...args: string[]): Promise<string> {
    const { code, out, err } = await ended(
      spawn(...side.command(process.execPath, ['-e', script, '--', ...args]), { stdio: 'pipe' }),
    );
    if (code !== 0) throw new Error(`a script ended with ${code}: ${err}`);
    return out.toString().trim();
  }

  /** Kills the server without a word, and starts it again. */
  async crashServer(): Promise<void> {
    await this.#server.stop('SIGKILL');
    this.#server = await startServer(this.near, join(this.folder, 'server'));
  }

  /** Kills the Connect daemon of the last device without a word, and starts it again. */
  async crashConnect(): Promise<void> {
    const { program, start } = this.#connect!;
    await program.stop('SIGKILL');
    this.#connect = { program: await start(), start };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#server.stop();
    await this.#stack.disposeAsync();
  }
}

/** Throws `PeerMissing` where lines cannot be made. */
function mayMakeLines(): void {
  try {
    if (userInfo().uid !== 0) throw new Error('only root makes network namespaces with devices');
    accessSync('/dev/net/tun', constants.R_OK | constants.W_OK);
  } catch (error) {
    throw new PeerMissing('/dev/net/tun', error instanceof Error ? error.message : String(error));
  }
}

async function ended(child: ChildProcess): Promise<Ran> {
  child.stdin?.end();
  const [out, err, code] = await Promise.all([
    buffer(child.stdout!),
    buffer(child.stderr!),
    new Promise<number | null>((resolve) => child.once('exit', resolve)),
  ]);
  return { code, out, err: err.toString() };
}

async function startServer(near: Side, store: string): Promise<Program> {
  const args = [launcher, 'server', '--data', store, '--listen', `0.0.0.0:${port}`];
  const program = near.program('patchbay server', process.execPath, args);
  await program.said(/"msg":"server ready"/, 60_000);
  return program;
}

async function addUser(store: string): Promise<void> {
  const added = run(process.execPath, [launcher, 'user', 'add', user, '--data', store, '--password-stdin']);
  added.child.stdin?.end(`${password}\n`);
  await added;
}

/** A way for this process, which is on neither side, to the server. */
async function wayIn(near: Side, folder: string, stack: AsyncDisposableStack): Promise<string> {
  const path = join(folder, 'bridge');
  stack.use(await bridgeProgram(path, port, (program, args) => near.command(program, args)));
  return `http://127.0.0.1:${stack.use(await bridge(0, path)).port}`;
}
