// A virtual device and the server that it belongs to: updates are deployed as an operator would, the plug is pulled, and
// what the device has become is read from all that can tell.
import { execFile } from 'node:child_process';
import { mkdir, readdir, rename, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { eventually } from '../stage/program.ts';
import { Operator, type Part } from '../stage/operator.ts';
import { startServer, type Server } from '../stage/server.ts';
import { buildBoard, mac, type Board, type Start } from './board.ts';
import { Machine } from './machine.ts';

/** What a device is, said by the device itself and by its server. */
export interface Ending {
  /** What the server was told last of the deployment. */
  readonly report: string;
  /** The release whose root file system runs. */
  readonly runs: string;
  /** What the client says it is. */
  readonly name: string;
  /** Partitions: which runs, which starts next; and whether that one is on trial still. */
  readonly running: string;
  readonly next: string;
  readonly trial: string;
}

/** ms. Emulation on a busy machine is slow beyond measure; on an idle one nothing here waits longer than it must. */
const patience = 1_200_000;

export class VirtualDevice implements AsyncDisposable {
  readonly #folder: string;
  readonly #server: Server;
  readonly #operator: Operator;
  readonly #board: Board;
  readonly #uploaded = new Set<string>(['release-1']);
  #machine: Machine;
  #id = '';

  private constructor(folder: string, server: Server, operator: Operator, board: Board) {
    this.#folder = folder;
    this.#server = server;
    this.#operator = operator;
    this.#board = board;
    this.#machine = new Machine({ folder, ...board });
  }

  /** A device that runs `release-1`, accepted by its server. */
  static async open(folder: string): Promise<VirtualDevice> {
    const server = await startServer(folder);
    try {
      const operator = await Operator.login(server.url, server.user, server.password);
      const board = await buildBoard(folder, server.url.replace('127.0.0.1', '10.0.2.2'));
      const device = new VirtualDevice(folder, server, operator, board);
      await device.says(/board: release-1 runs from \/dev\/vda2/);
      await operator.accept(await operator.device(mac, 'pending', patience));
      device.#id = (await operator.device(mac, 'accepted')).id;
      return device;
    } catch (error) {
      await server.stop();
      throw error;
    }
  }

  get accelerator(): string {
    return this.#board.accelerator;
  }

  /** Makes a release that devices can be told to become. */
  async release(name: string, start?: Start): Promise<void> {
    if (this.#uploaded.has(name)) return;
    await this.#operator.upload(await this.#board.release(name, start));
    this.#uploaded.add(name);
  }

  /** Tells the device to become a release; the id of that deployment. What its console said so far is forgotten. */
  async deploy(release: string): Promise<string> {
    this.#machine.lines.length = 0;
    return await this.#operator.deploy(release, this.#id);
  }

  /** Waits until its console says so. */
  async says(pattern: RegExp): Promise<string> {
    return await this.#machine.says(pattern, patience);
  }

  /** What its console said since the last deployment or power cut. */
  get lines(): readonly string[] {
    return this.#machine.lines;
  }

  async pullPlug(): Promise<void> {
    await this.#machine.pullPlug();
  }

  switchOn(): void {
    this.#machine = new Machine({ folder: this.#folder, ...this.#board });
  }

  /**
   * Keeps what device and server would be after a power cut in this moment, in a new folder. The update goes on: one is
   * enough for any number of cuts.
   */
  async save(to: string): Promise<void> {
    await mkdir(to);
    await this.#machine.frozen(async () => {
      const server = this.#server.program.child;
      server.kill('SIGSTOP');
      try {
        await copy(this.#board.disk, join(to, 'disk.img'));
        const names = (await readdir(this.#server.data)).filter((name) => name.startsWith(database));
        for (const name of names) await copy(join(this.#server.data, name), join(to, name));
      } finally {
        server.kill('SIGCONT');
      }
    });
  }

  /** The power comes back after the cut that was saved there; what was saved is used up. */
  async restore(from: string): Promise<void> {
    await this.#machine.pullPlug();
    await this.#server.stop();
    const names = await readdir(this.#server.data);
    for (const name of names.filter((each) => each.startsWith(database))) await rm(join(this.#server.data, name));
    for (const name of (await readdir(from)).filter((each) => each.startsWith(database)))
      await rename(join(from, name), join(this.#server.data, name));
    await rename(join(from, 'disk.img'), this.#board.disk);
    await rm(from, { recursive: true });
    await this.#server.restart();
    this.switchOn();
  }

  /** The deployment is over, for the server and for the device. */
  async ended(deployment: string): Promise<Ending> {
    try {
      return await eventually('the deployment ends, for device and server', () => this.#ending(deployment), patience);
    } catch (cause) {
      throw new Error(`the device does not come to an end; its console:\n${this.lines.slice(-40).join('\n')}`, {
        cause,
      });
    }
  }

  async #ending(deployment: string): Promise<Ending | undefined> {
    const parts = await this.#operator.get<Part[]>(`/v1/deployments/deployments/${deployment}/devices`);
    const report = parts.find(({ id }) => id === this.#id)?.status ?? '';
    if (report !== 'success' && report !== 'failure') return undefined;
    const store = await this.#machine.ask('cat /data/mender/patchbay-store.json');
    const record = JSON.parse(store) as { artifactName?: string; deployment?: unknown };
    if (record.deployment) return undefined;
    const [runs = '', root = '', environment = ''] = (await this.#machine.ask(question)).split('\n');
    const [next = '', trial = ''] = environment.split(' ').map((pair) => pair.slice(pair.indexOf('=') + 1));
    return { report, runs, name: record.artifactName ?? '', running: root.replace('/dev/vda', ''), next, trial };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#machine.pullPlug();
    await this.#server.stop();
  }
}

const database = 'patchbay.db';

/** What is not there in a disk is not there in its copy. */
async function copy(from: string, to: string): Promise<void> {
  await promisify(execFile)('cp', ['--sparse=always', '--reflink=auto', from, to]);
}

const question = [
  'cat /etc/release',
  String.raw`sed 's/.*root=\([^ ]*\).*/\1/' /proc/cmdline`,
  'echo $(grub-mender-grubenv-print mender_boot_part upgrade_available)',
].join('; ');

/** Nothing if a device ended new and committed, or old and working, and told its server which; else what is wrong. */
export function fault(ending: Ending, old: string, wanted: string): string | undefined {
  const { report, runs, name, running, next, trial } = ending;
  const should = report === 'success' ? wanted : old;
  if (runs !== should) return `told the server ${report}, but runs ${runs}`;
  if (name !== should) return `told the server ${report}, but calls itself ${name}`;
  if (running !== next) return `runs from partition ${running}, but ${next} starts next`;
  if (trial !== '0') return `is still on trial`;
  return undefined;
}
