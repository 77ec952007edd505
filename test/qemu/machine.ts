// A virtual machine under QEMU: its console, a shell in it, and a plug that can be pulled.
import { execFile, spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { access, constants } from 'node:fs/promises';
import net from 'node:net';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { promisify } from 'node:util';
import { eventually } from '../stage/program.ts';

const run = promisify(execFile);

export interface MachineOptions {
  /** For the sockets of this machine; short, because their paths have a limit. */
  readonly folder: string;
  readonly disk: string;
  readonly accelerator: Accelerator;
}
export type Accelerator = 'tcg' | 'kvm';

export class Machine implements AsyncDisposable {
  /** What its console said. */
  readonly lines: string[] = [];
  readonly #options: MachineOptions;
  #child: ChildProcess;
  #on = true;
  #waiting: { pattern: RegExp; found: (line: string) => void }[] = [];
  #asked = 0;

  /** Switches it on. */
  constructor(options: MachineOptions) {
    this.#options = options;
    this.#child = this.#start();
  }

  /** Waits for a line of its console, one said already or to come. */
  async says(pattern: RegExp, timeout: number): Promise<string> {
    const line = this.lines.find((each) => pattern.test(each));
    if (line !== undefined) return line;
    const { promise, resolve, reject } = Promise.withResolvers<string>();
    const late = () => reject(new Error(`the machine never said ${pattern}:\n${this.lines.slice(-40).join('\n')}`));
    const timer = setTimeout(late, timeout);
    this.#waiting.push({ pattern, found: resolve });
    return await promise.finally(() => clearTimeout(timer));
  }

  /** What a command says, run by a shell of root in the machine. */
  async ask(command: string, timeout = 300_000): Promise<string> {
    const mark = `asked-${(this.#asked += 1)}`;
    const socket = net.connect(join(this.#options.folder, 'shell'));
    const timer = setTimeout(() => socket.destroy(new Error(`no answer to: ${command}`)), timeout);
    try {
      // What an earlier question is still being answered comes before the mark.
      socket.write(`echo; echo ${mark}; ${command}; echo; echo ${mark}\n`);
      let said: string[] | undefined;
      for await (const line of createInterface(socket)) {
        if (line.trim() !== mark) said?.push(line.trim());
        else if (said) return said.join('\n').trim();
        else said = [];
      }
      throw new Error(`the machine went off before it answered: ${command}`);
    } finally {
      clearTimeout(timer);
      socket.destroy();
    }
  }

  /** The power goes: nothing in it is asked or told. */
  async pullPlug(): Promise<void> {
    this.#on = false;
    const child = this.#child;
    if (child.exitCode !== null || child.signalCode !== null) return;
    const ended = once(child, 'exit');
    const socket = net.connect(join(this.#options.folder, 'monitor'));
    // It has just begun to start again: it has nothing to lose yet.
    socket.on('error', () => child.kill('SIGKILL'));
    socket.write('quit\n');
    await ended;
    socket.destroy();
  }

  /**
   * Its time stands still while `work` is done. Its disk then holds what a power cut in this moment would leave: all that the
   * machine has handed over, and nothing of what it keeps in memory.
   */
  async frozen<T>(work: () => Promise<T>): Promise<T> {
    await this.#monitor('stop');
    try {
      return await work();
    } finally {
      await this.#monitor('cont');
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.pullPlug();
  }

  /** Tells the emulator something, and waits until it is done; one that is just being started anew is waited for. */
  async #monitor(command: string): Promise<void> {
    await eventually(`the emulator has done: ${command}`, async () => {
      const socket = net.connect(join(this.#options.folder, 'monitor'));
      try {
        let said = '';
        for await (const bytes of socket.setTimeout(10_000, () => socket.destroy())) {
          const before = prompts(said);
          said += String(bytes);
          if (before === 0 && prompts(said) > 0) socket.write(`${command}\n`);
          if (prompts(said) > 1) return true;
        }
        return false;
      } finally {
        socket.destroy();
      }
    });
  }

  #start(): ChildProcess {
    const { folder, disk, accelerator } = this.#options;
    const socket = (name: string) => `unix:${join(folder, name)},server=on,wait=off`;
    const args = [
      ...`-accel ${accelerator} -cpu max -smp 1 -m 512 -display none -nodefaults -drive`.split(' '),
      `file=${disk},format=raw,if=virtio,cache=writeback`,
      // The guest reaches the host's loopback as 10.0.2.2.
      ...'-netdev user,id=net,ipv6=off -device virtio-net-pci,netdev=net,romfile= -serial stdio'.split(' '),
      '-serial',
      socket('shell'),
      '-monitor',
      socket('monitor'),
      // A reboot ends the emulator, and it is started anew: where it has translated code once it is slow to overwrite it.
      '-no-reboot',
    ];
    const child = spawn('qemu-system-x86_64', args, { stdio: ['ignore', 'pipe', 'pipe'] });
    for (const stream of [child.stdout, child.stderr]) createInterface(stream).on('line', (line) => this.#said(line));
    child.once('exit', (code) => {
      if (this.#on && code === 0) this.#child = this.#start();
      else if (this.#on) this.#said(`the emulator ended with ${code}`);
    });
    child.once('error', (error) => this.#said(`the emulator cannot be started: ${error.message}`));
    return child;
  }

  #said(line: string): void {
    this.lines.push(line);
    this.#waiting = this.#waiting.filter(({ pattern, found }) => {
      if (!pattern.test(line)) return true;
      found(line);
      return false;
    });
  }
}

const prompts = (said: string): number => said.split('(qemu) ').length - 1;

/** KVM where it boots a kernel to its end; it may be there by name and still boot nothing. */
export async function accelerator(kernel: string, probeRam: string): Promise<Accelerator> {
  try {
    await access('/dev/kvm', constants.R_OK | constants.W_OK);
    const { stdout } = await run(
      'qemu-system-x86_64',
      [
        ...'-accel kvm -cpu max -m 256 -display none -nodefaults -no-reboot -serial stdio -kernel'.split(' '),
        kernel,
        '-initrd',
        probeRam,
        '-append',
        'console=ttyS0 quiet panic=-1',
      ],
      { timeout: 5000, killSignal: 'SIGKILL' },
    );
    return stdout.includes(probeWord) ? 'kvm' : 'tcg';
  } catch {
    return 'tcg';
  }
}

export const probeWord = 'this machine boots';
