import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { join } from 'node:path';

/** A private dbus-daemon at an address of its own, which a second one can take after it. */
export class RigBus implements AsyncDisposable {
  readonly address: string;
  readonly #child: ChildProcess;
  private constructor(address: string, child: ChildProcess) {
    this.address = address;
    this.#child = child;
  }

  static async open(folder: string): Promise<RigBus> {
    const address = `unix:path=${join(folder, 'bus')}`;
    const child = spawn('dbus-daemon', ['--session', '--nofork', '--print-address', `--address=${address}`], {
      stdio: ['ignore', 'pipe', 'ignore'],
    });
    await once(createInterface(child.stdout), 'line');
    return new RigBus(address, child);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#child.exitCode !== null || this.#child.signalCode !== null) return;
    const ended = once(this.#child, 'exit');
    this.#child.kill('SIGKILL');
    await ended;
  }
}
