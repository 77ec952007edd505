// A server, a device and an operator's command line, each the whole program.
import { spawn } from 'node:child_process';
import { mkdir, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { buffer } from 'node:stream/consumers';
import type { Device } from '#proto/http/devices';
import { startBus } from './bus.ts';
import { layDevice, startMenderConnect } from './mender.ts';
import { Operator } from './operator.ts';
import { startClient, startConnect } from './patchbay.ts';
import type { Program } from './program.ts';
import { launcher, startServer, type Server } from './server.ts';

export interface Ran {
  readonly code: number | null;
  readonly out: Buffer;
  readonly err: string;
}

/** One server with devices whose Connect daemon is ours or Mender's. */
export class Rig implements AsyncDisposable {
  readonly folder: string;
  readonly server: Server;
  readonly operator: Operator;
  readonly #programs: Program[] = [];
  readonly #connects = new Map<string, { program: Program; start: () => Promise<Program> }>();
  #count = 0;

  private constructor(folder: string, server: Server, operator: Operator) {
    this.folder = folder;
    this.server = server;
    this.operator = operator;
  }

  /** `options`: of the server; `prepare` is given the folder before anything runs. */
  static async start(
    name: string,
    options: { server?: (folder: string) => readonly string[]; prepare?: (folder: string) => Promise<void> } = {},
  ): Promise<Rig> {
    const folder = await mkdtemp(join(tmpdir(), `patchbay-${name}-`));
    await options.prepare?.(folder);
    const server = await startServer(folder, undefined, options.server?.(folder));
    return new Rig(folder, server, await Operator.login(server.url, server.user, server.password));
  }

  /** A device, accepted and connected. */
  async device(
    connect: 'patchbay' | 'mender',
    options: { settings?: Readonly<Record<string, unknown>>; prepare?: (folder: string) => Promise<void> } = {},
  ): Promise<Device> {
    const number = ++this.#count;
    const folder = join(this.folder, `device-${number}`);
    await mkdir(folder);
    await options.prepare?.(folder);
    const mac = `02:00:00:00:77:0${number}`;
    const bus = await startBus(folder);
    this.#programs.push(bus);
    await layDevice({ folder, mac, type: 'bench', serverUrl: this.server.url });
    this.#programs.push(startClient(folder, bus.address));
    const device = await this.operator.welcome(mac);
    const start = () =>
      connect === 'patchbay'
        ? startConnect(folder, bus.address, options.settings)
        : startMenderConnect(folder, bus.address);
    const program = await start();
    this.#programs.push(program);
    this.#connects.set(device.id, { program, start });
    await this.operator.connected(device.id);
    return device;
  }

  /** The Connect daemon of a device. */
  connect(device: string): Program {
    return this.#connects.get(device)!.program;
  }

  /** Kills the Connect daemon of a device without a word, and starts another one. */
  async crash(device: string): Promise<void> {
    const { program, start } = this.#connects.get(device)!;
    await program.stop('SIGKILL');
    const next = await start();
    this.#programs.push(next);
    this.#connects.set(device, { program: next, start });
  }

  /** The environment in which `patchbay` is logged in. */
  get env(): NodeJS.ProcessEnv {
    return {
      ...process.env,
      PATCHBAY_SERVER: this.server.url,
      PATCHBAY_TOKEN: this.operator.token,
      XDG_CONFIG_HOME: join(this.folder, 'config'),
    };
  }

  /** Stops the Connect daemon of a device in order. */
  async stopConnect(device: string): Promise<void> {
    await this.#connects.get(device)!.program.stop();
  }

  /** Runs `patchbay …` to its end. */
  async run(args: readonly string[], input: string | Buffer = ''): Promise<Ran> {
    const child = spawn(process.execPath, [launcher, ...args], { env: this.env, stdio: 'pipe' });
    child.stdin.on('error', () => undefined);
    child.stdin.end(input);
    const [out, err, code] = await Promise.all([
      buffer(child.stdout),
      buffer(child.stderr),
      new Promise<number | null>((resolve) => child.once('exit', resolve)),
    ]);
    return { code, out, err: err.toString() };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const program of this.#programs.toReversed()) await program.stop();
    await this.server.stop();
    await rm(this.folder, { recursive: true, force: true });
  }
}
