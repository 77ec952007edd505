import { spawn, type ChildProcess } from 'node:child_process';
import { readdirSync, readFileSync, readlinkSync } from 'node:fs';
import { mkdtemp, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { setTimeout as sleep } from 'node:timers/promises';
import { describe, expect, test } from 'vitest';

const launcher = fileURLToPath(new URL('../bin/patchbay.js', import.meta.url));

/** `patchbay demo` as a person starts it, with a folder for temporary files that nothing else uses. */
class DemoRun implements AsyncDisposable {
  readonly place: string;
  readonly child: ChildProcess;
  output = '';
  readonly ended: Promise<number | null>;
  constructor(place: string, args: readonly string[]) {
    this.place = place;
    const env = { ...process.env, TMPDIR: place, NO_COLOR: '1' };
    this.child = spawn(process.execPath, [launcher, 'demo', ...args], { env, stdio: ['ignore', 'pipe', 'pipe'] });
    for (const stream of [this.child.stdout, this.child.stderr]) stream?.on('data', (data) => (this.output += data));
    this.ended = new Promise((resolve) => this.child.once('close', resolve));
  }

  static async start(...args: string[]): Promise<DemoRun> {
    return new DemoRun(await mkdtemp(join(tmpdir(), 'pb-')), args);
  }

  async says(text: string): Promise<void> {
    while (!this.output.includes(text)) {
      if (this.child.exitCode !== null) throw new Error(`it ended without '${text}':\n${this.output}`);
      await sleep(20);
    }
  }

  /** Command lines of processes that were started in, or with, something of ours. */
  left(): string[] {
    return readdirSync('/proc')
      .filter((name) => /^\d+$/.test(name) && Number(name) !== process.pid)
      .flatMap((pid) => {
        try {
          const command = readFileSync(`/proc/${pid}/cmdline`, 'utf8').replaceAll('\0', ' ');
          const ours = command.includes(this.place) || readlinkSync(`/proc/${pid}/cwd`).startsWith(this.place);
          return ours && Number(pid) !== this.child.pid ? [command] : [];
        } catch {
          return [];
        }
      });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.child.kill('SIGTERM');
    await this.ended;
    await rm(this.place, { recursive: true, force: true });
  }
}

// The tour spends much of its time in waiting: the others go on beside it, one after the other.
describe.concurrent('patchbay demo', () => {
  test('the demo walks its tour: devices, terminal, update, rollback, a setting, an alert, and leaves nothing behind', async () => {
    await using demo = await DemoRun.start('--check');
    const code = await demo.ended;
    expect(demo.output).not.toContain('failed');
    expect({ code, output: demo.output }).toMatchObject({
      code: 0,
      output: expect.stringContaining('all of it holds'),
    });
    for (const step of [
      'device-2 is connected',
      'follows when the window is resized',
      'its file is there',
      'rolled back',
      'a setting is sent',
      'is an alert',
    ]) {
      expect(demo.output).toMatch(new RegExp(`^ok .* s  .*${step}`, 'm'));
    }
    expect(demo.left()).toEqual([]);
    expect(await readdir(demo.place)).toEqual([]);
  }, 120_000);

  describe('that is ended', () => {
    const inTurn = { concurrent: false, timeout: 120_000 };

    test('Ctrl-C ends everything that the demo started and removes its folder', inTurn, async () => {
      await using demo = await DemoRun.start('--devices', '1');
      await demo.says('Ctrl-C ends the demo');
      expect(demo.left().length).toBeGreaterThanOrEqual(5);
      demo.child.kill('SIGINT');
      expect(await demo.ended).toBe(0);
      expect(demo.output).toContain('nothing is left running');
      expect(demo.left()).toEqual([]);
      expect(await readdir(demo.place)).toEqual([]);
    });

    test('Ctrl-C while it starts leaves nothing behind', inTurn, async () => {
      await using demo = await DemoRun.start('--devices', '3');
      await demo.says('the server answers');
      demo.child.kill('SIGINT');
      expect(await demo.ended).toBe(0);
      expect(demo.left()).toEqual([]);
      expect(await readdir(demo.place)).toEqual([]);
    });

    test('a demo that is killed leaves nothing behind either', inTurn, async () => {
      await using demo = await DemoRun.start('--devices', '1');
      await demo.says('device-1 is accepted');
      demo.child.kill('SIGKILL');
      await demo.ended;
      while (demo.left().length > 0) await sleep(50);
      expect(await readdir(demo.place)).toEqual([]);
    });

    test('when the server dies the demo ends, and shows what the server said last', inTurn, async () => {
      await using demo = await DemoRun.start('--devices', '1');
      await demo.says('Ctrl-C ends the demo');
      const server = readdirSync('/proc').find((pid) => {
        try {
          const words = readFileSync(`/proc/${pid}/cmdline`, 'utf8').split('\0');
          return words.includes('server') && words.some((word) => word.startsWith(demo.place));
        } catch {
          return false;
        }
      });
      process.kill(Number(server), 'SIGKILL');
      expect(await demo.ended).toBe(1);
      expect(demo.output).toContain('server ended by SIGKILL');
      expect(demo.output).toContain('server ready');
      expect(demo.left()).toEqual([]);
    });
  });
});
