import { execFileSync } from 'node:child_process';
import { readdirSync, readFileSync } from 'node:fs';
import { userInfo } from 'node:os';
import { afterEach, describe, expect, it } from 'vitest';
import { findAccount, type Account } from '#base/account';
import { itWhere, rootMissing } from '#base/where.testing';
import { Pty } from './pty.ts';

const shells: Pty[] = [];
afterEach(async () => {
  await Promise.all(shells.splice(0).map((shell) => shell.end()));
});

const me = await findAccount(userInfo().username);

/** A process and all that it has said. */
async function start(
  args: readonly string[],
  { command = '/bin/bash', account = me, output = undefined as ((bytes: Uint8Array) => void) | undefined } = {},
) {
  const heard: Buffer[] = [];
  const said = (): string => Buffer.concat(heard).toString();
  const waiting: (() => void)[] = [];
  const pty = await Pty.spawn({
    command,
    args,
    account,
    cols: 80,
    rows: 24,
    output: (bytes) => {
      heard.push(Buffer.from(bytes));
      output?.(bytes);
      for (const resolve of waiting.splice(0)) resolve();
    },
  });
  shells.push(pty);
  return {
    pty,
    heard,
    said,
    shows: async (text: string | RegExp): Promise<void> => {
      while (!(typeof text === 'string' ? said().includes(text) : text.test(said())))
        await new Promise<void>((resolve) => waiting.push(resolve));
    },
  };
}

const alive = (pid: number): boolean => {
  try {
    return !/^State:\s+Z/m.test(readFileSync(`/proc/${pid}/status`, 'latin1'));
  } catch {
    return false;
  }
};

describe('what a shell is started with', () => {
  it('D-41 TERM-3 HOME and TERM and nothing else of the daemon', async () => {
    const { pty, said } = await start([], { command: '/usr/bin/env' });
    expect(await pty.finished).toBe(0);
    expect(said().trim().split('\r\n').sort()).toEqual([`HOME=${me.home}`, 'TERM=xterm-256color']);
  });

  it('D-41 the home of the user, or / if he has none', async () => {
    const at = async (account: Account): Promise<string> => {
      const { pty, said } = await start([], { command: '/bin/pwd', account });
      await pty.finished;
      return said().trim();
    };
    expect(await at(me)).toBe(me.home);
    expect(await at({ ...me, home: '/no/such/folder' })).toBe('/');
  });

  itWhere('D-41 TERM-2 the user, his home, his group and his supplementary groups only', rootMissing(), async () => {
    const groups = process.getgroups!();
    process.setgroups!([0, 4, 27]);
    try {
      for (const name of ['nobody', 'backup', 'games']) {
        const account = await findAccount(name);
        const { pty, said } = await start(['-c', 'whoami; id -u; id -g; id -G; echo $HOME'], {
          command: '/bin/sh',
          account,
        });
        await pty.finished;
        const of = (what: string): string => execFileSync('id', [what, name]).toString().trim();
        expect(said().trim().split('\r\n')).toEqual([name, of('-u'), of('-g'), of('-G'), account.home]);
      }
      expect(new Set(process.getgroups!())).toEqual(new Set([0, 4, 27]));
    } finally {
      process.setgroups!(groups);
    }
  });

  itWhere('D-41 a terminal that is its own, to be opened by name', rootMissing(), async () => {
    const account = await findAccount('nobody');
    const { pty, said } = await start(['-c', 'sleep 0.2; echo opened > "$(tty)"'], { account });
    await pty.finished;
    expect(said()).toBe('opened\r\n');
  });

  it('D-32 its size, and each later one', async () => {
    const { pty, shows } = await start(['--norc']);
    pty.write(Buffer.from('stty size\r'));
    await shows('24 80');
    pty.resize(132, 50);
    pty.write(Buffer.from('stty size\r'));
    await shows('50 132');
  });
});

describe('output', () => {
  it('D-42 is complete at exit, even while nobody reads for a second', async () => {
    let pty: Pty | undefined;
    let stopped = false;
    const started = await start(['-c', 'head -c 3000000 /dev/zero | tr "\\0" x; printf END'], {
      output() {
        if (stopped) return;
        stopped = true;
        setTimeout(() => pty!.resume(), 1000);
        queueMicrotask(() => pty!.pause());
      },
    });
    pty = started.pty;
    expect(await pty.finished).toBe(0);
    expect(started.said()).toHaveLength(3_000_003);
    expect(started.said().endsWith('END')).toBe(true);
  });

  it('D-42 is bytes, whatever they are and wherever they are cut', async () => {
    const { pty, heard } = await start(['-c', 'stty raw; printf "\\377\\376\\000\\303"; sleep 0.1; printf "\\244"']);
    await pty.finished;
    expect(Buffer.concat(heard).toString('hex')).toBe('fffe00c3a4');
  });

  it('of a job in the background does not hold up the end', async () => {
    const { pty, said } = await start(['-c', 'sleep 30 & echo $!; exit 3']);
    expect(await pty.finished).toBe(3);
    process.kill(Number(said().trim()), 'SIGKILL');
  });
});

describe('input', () => {
  it('that the program does not read asks to wait, and arrives whole when it does', async () => {
    const { pty, shows, said } = await start(['-c', 'stty raw -echo; echo ready; read -rn1; head -c 1000000 | md5sum']);
    await shows('ready');
    const part = Buffer.alloc(50_000, 'abcdefghi');
    pty.write(Buffer.from('g'));
    let waits = 0;
    for (let i = 0; i < 20; i++) {
      if (pty.write(part)) continue;
      waits++;
      await pty.writable();
    }
    await pty.finished;
    const sum = execFileSync('md5sum', { input: Buffer.concat(Array.from({ length: 20 }, () => part)) });
    expect(said()).toContain(sum.toString().slice(0, 32));
    expect(waits).toBeGreaterThan(0);
  });

  it('D-42 of any bytes comes through', async () => {
    const { pty, shows, said } = await start(['-c', 'stty raw -echo; echo ready; head -c 256 | od -An -v -tx1']);
    await shows('ready');
    pty.write(Buffer.from(Array.from({ length: 256 }, (_, i) => i)));
    await pty.finished;
    expect(said().replaceAll(/\s|ready/g, '')).toBe(
      Buffer.from(Array.from({ length: 256 }, (_, i) => i)).toString('hex'),
    );
  });

  it('after the end is nothing', async () => {
    const { pty } = await start(['-c', 'exit 0']);
    await pty.finished;
    expect(pty.write(Buffer.from('x'))).toBe(true);
    pty.resize(10, 10);
    await pty.writable();
  });
});

describe('the end', () => {
  it('TERM-11 of a terminal takes the shell and the job that it runs, and leaves no zombie', async () => {
    const { pty, shows, said } = await start(['--norc', '-i']);
    pty.write(Buffer.from("sh -c 'echo job=$$; sleep 100; true'\r"));
    await shows(/job=\d+\r/);
    const job = Number(/job=(\d+)\r/.exec(said())![1]);
    await pty.end();
    expect(alive(pty.pid)).toBe(false);
    for (let i = 0; i < 100 && alive(job); i++) await new Promise((resolve) => setTimeout(resolve, 10));
    expect(alive(job)).toBe(false);
  });

  it('of a shell that ignores it comes two seconds later', async () => {
    const { pty, shows } = await start(['-c', 'trap "" HUP; echo deaf; sleep 100; sleep 100']);
    await shows('deaf');
    const start_ = performance.now();
    await pty.end();
    expect(alive(pty.pid)).toBe(false);
    expect(performance.now() - start_).toBeLessThan(4000);
  });

  it('by a signal is said as shells say it', async () => {
    const { pty } = await start(['-c', 'kill -TERM $$']);
    expect(await pty.finished).toBe(128 + 15);
  });

  it('gives back every descriptor', async () => {
    const open = (): number => readdirSync('/proc/self/fd').length;
    const first = await start(['-c', 'true']);
    await first.pty.finished;
    const before = open();
    for (let i = 0; i < 10; i++) await (await start(['-c', 'true'])).pty.finished;
    expect(open()).toBeLessThanOrEqual(before + 1);
  });
});

it('D-44 a shell that is no program says so and ends', async () => {
  const { pty, said } = await start([], { command: '/no/such/shell' });
  expect(await pty.finished).toBe(1);
  expect(said()).toContain('execvp');
});
