import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { silentLog, type Log } from '#base/log';
import { PrivateBus, TokenService } from '../../connect/bus.testing.ts';
import { runConnect, type ConnectConfig, type ConnectOptions } from '../../connect/main.ts';

export interface DeviceOptions extends Partial<Omit<ConnectOptions, 'config'>> {
  readonly settings?: Readonly<Record<string, unknown>> & { readonly Sessions?: object };
  readonly addons?: readonly string[];
  /** Where the packages of third parties are looked for. */
  readonly file?: string;
  readonly log?: Log;
  /** The client is not there yet. */
  readonly alone?: boolean;
}

/** A real Connect daemon in this process, with a bus and a token service of its own. */
export class TestDevice implements AsyncDisposable {
  readonly bus: PrivateBus;
  service: TokenService | undefined;
  readonly #stop = new AbortController();
  readonly #done: Promise<void>;

  private constructor(bus: PrivateBus, service: TokenService | undefined, options: DeviceOptions) {
    this.bus = bus;
    this.service = service;
    const settings = { User: 'root', ShellCommand: '/bin/bash', ShellArguments: ['--norc'], ...options.settings };
    const config: ConnectConfig = {
      User: settings.User,
      ShellCommand: settings.ShellCommand,
      Sessions: { ResumeWithin: 600, ResumeBuffer: 4 << 20, ResumeMemory: 16 << 20, ...options.settings?.Sessions },
      Addons: [...(options.addons ?? ['terminal'])],
      settings,
      file: options.file ?? '/nowhere/mender-connect.conf',
    };
    this.#done = runConnect({ log: silentLog, ...options, config, busAddress: bus.address }, this.#stop.signal);
  }

  static async start(id: string, serverUrl: string, options: DeviceOptions = {}): Promise<TestDevice> {
    const bus = await PrivateBus.start();
    const service = options.alone ? undefined : await TokenService.start(bus.address, `device-${id}`, serverUrl);
    return new TestDevice(bus, service, options);
  }

  async stop(): Promise<void> {
    this.#stop.abort();
    await this.#done;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.stop();
    this.service?.[Symbol.dispose]();
    await this.bus[Symbol.asyncDispose]();
  }
}

/** A package of a third party, in a folder of its own with a configuration beside it: plain modules, as published. */
export class Package implements AsyncDisposable {
  readonly #folder: string;
  readonly name: string;
  private constructor(folder: string, name: string) {
    this.#folder = folder;
    this.name = name;
  }

  static async write(name: string, modules: Readonly<Record<string, string>>): Promise<Package> {
    const made = new Package(await mkdtemp(join(tmpdir(), 'patchbay-package-')), name);
    const folder = join(made.#folder, 'node_modules', name);
    await mkdir(folder, { recursive: true });
    const exports = Object.fromEntries(Object.keys(modules).map((part) => [`./${part}`, `./${part}.js`]));
    await writeFile(join(folder, 'package.json'), JSON.stringify({ name, type: 'module', exports }));
    for (const [part, source] of Object.entries(modules)) await writeFile(join(folder, `${part}.js`), source);
    return made;
  }

  /** The configuration file that it lies beside. */
  get config(): string {
    return join(this.#folder, 'mender-connect.conf');
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await rm(this.#folder, { recursive: true, force: true });
  }
}
