// A virtual machine under QEMU: its console, a shell in it, and a plug that can be pulled.
import { execFile } from 'node:child_process';
import { once } from 'node:events';
import { access, constants } from 'node:fs/promises';
import net from 'node:net';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { promisify } from 'node:util';
import { Program } from '../stage/program.ts';

const run = promisify(execFile);

export interface MachineOptions {
  /** For the sockets of this machine; short, because their paths have a limit. */
  readonly folder: string;
  readonly disk: string;
  readonly accelerator: Accelerator;
}
export type Accelerator = 'tcg' | 'kvm';

export class Machine implements AsyncDisposable {
  readonly console: Program;
  readonly #folder: string;
  #asked = 0;
  private constructor(console: Program, folder: string) {
    this.console = console;
    this.#folder = folder;
  }

  /** Switches it on. */
  static start({ folder, disk, accelerator }: MachineOptions): Machine {
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
    ];
    return new Machine(new Program('machine', 'qemu-system-x86_64', args), folder);
  }

  /** What a command says, run by a shell of root in the machine. */
  async ask(command: string, timeout = 300_000): Promise<string> {
    const mark = `asked-${(this.#asked += 1)}`;
    const socket = net.connect(join(this.#folder, 'shell'));
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
    if (!this.console.running) return;
    const ended = once(this.console.child, 'exit');
    const socket = net.connect(join(this.#folder, 'monitor'));
    socket.on('error', () => this.console.child.kill('SIGKILL'));
    socket.write('quit\n');
    await ended;
    socket.destroy();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.pullPlug();
  }
}

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
