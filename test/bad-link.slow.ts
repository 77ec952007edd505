// Terminal, forwarded ports and copies over a line that is long, loses packets, or is silent: the server and the operator
// at one end of it, a device at the other, each in a network namespace of its own.
import { createHash, randomBytes } from 'node:crypto';
import type { ChildProcess } from 'node:child_process';
import { readdir, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { createInterface } from 'node:readline';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, expect, it } from 'vitest';
import { describeWhere } from '#base/where.testing';
import { PeerMissing } from './peers.ts';
import { FarAway, type Ran } from './stage/far-away.ts';
import { eventually } from './stage/program.ts';

const MiB = 1024 * 1024;
const content = randomBytes(64 * MiB);
const sumOf = (bytes: Uint8Array): string => createHash('sha256').update(bytes).digest('hex');

/** Listens at the far end: gives the wanted number of bytes to who asks `d`, and tells the sum of what `u` brings. */
const target = `const { createServer } = require('net'); const { createHash, createCipheriv } = require('crypto');
  createServer({ allowHalfOpen: true }, (socket) => {
    socket.on('error', () => undefined);
    socket.once('data', (first) => {
      const [word, size] = [first.toString('latin1', 0, 1), first.readUInt32BE(1)];
      if (word === 'd') {
        const cipher = createCipheriv('aes-128-ctr', Buffer.alloc(16), Buffer.alloc(16));
        let left = size;
        const fill = () => {
          while (left > 0) {
            const piece = cipher.update(Buffer.alloc(Math.min(left, 65536)));
            left -= piece.length;
            if (!socket.write(piece)) return socket.once('drain', fill);
          }
          socket.end();
        };
        return fill();
      }
      const hash = createHash('sha256'); let got = 0;
      const take = (bytes) => { hash.update(bytes); got += bytes.length; };
      take(first.subarray(5));
      socket.on('data', take);
      socket.on('end', () => socket.end(got + ' ' + hash.digest('hex')));
    });
  }).listen(7000, '127.0.0.1', () => console.log('ready'));`;

/** At the near end: what the above has to say, through a port there. */
const caller = `const { connect } = require('net'); const { createHash, createCipheriv } = require('crypto');
  const [port, word, size] = process.argv.slice(-3);
  const socket = connect({ port: Number(port), host: '127.0.0.1', allowHalfOpen: true });
  const first = Buffer.alloc(5); first.write(word, 'latin1'); first.writeUInt32BE(Number(size), 1); socket.write(first);
  const hash = createHash('sha256'); let got = 0, text = '';
  const cipher = createCipheriv('aes-128-ctr', Buffer.alloc(16), Buffer.alloc(16));
  if (word === 'd') socket.on('data', (bytes) => { hash.update(bytes); got += bytes.length; });
  else {
    socket.on('data', (bytes) => (text += bytes));
    let left = Number(size);
    const fill = () => {
      while (left > 0) {
        const piece = cipher.update(Buffer.alloc(Math.min(left, 65536)));
        left -= piece.length;
        if (!socket.write(piece)) return socket.once('drain', fill);
      }
      socket.end();
    };
    fill();
  }
  socket.on('error', (error) => { console.error(error.message); process.exit(1); });
  socket.on('end', () => { console.log(word === 'd' ? got + ' ' + hash.digest('hex') : text); process.exit(0); });`;

/** What either way is to come to. */
async function streamSum(size: number): Promise<string> {
  const { createCipheriv } = await import('node:crypto');
  const cipher = createCipheriv('aes-128-ctr', Buffer.alloc(16), Buffer.alloc(16));
  return `${size} ${sumOf(cipher.update(Buffer.alloc(size)))}`;
}

let why: string | undefined;
let rig: FarAway;
try {
  rig = await FarAway.start();
} catch (error) {
  if (!(error instanceof PeerMissing)) throw error;
  why = error.message;
}

describeWhere('over a bad line', why, () => {
  let id: string;
  let forwarder: ChildProcess;
  let port: string;

  const at = (name: string): string => join(rig.folder, name);
  const stream = (way: 'd' | 'u', size: number): Promise<string> => rig.node(rig.near, caller, port, way, String(size));

  beforeAll(async () => {
    id = (await rig.device('patchbay')).id;
    await rig.far.program('target', process.execPath, ['-e', target]).said(/^ready$/);
    await writeFile(at('from'), content);
    forwarder = rig.patchbay(['forward', id, '0:7000']);
    port = await new Promise((resolve, reject) => {
      forwarder.once('exit', (code) => reject(new Error(`patchbay forward ended with ${code}`)));
      createInterface(forwarder.stderr!).on('line', (line) => {
        const found = /127\.0\.0\.1:(\d+) is/.exec(line)?.[1];
        if (found) resolve(found);
      });
    });
  }, 120_000);
  afterEach(() => rig.line({ silent: false, loss: 0, delay: 0 }));
  afterAll(async () => {
    forwarder?.kill();
    await rig?.[Symbol.asyncDispose]();
  });

  async function copy(way: 'up' | 'down', size: number, name = `to-${way}-${size}`): Promise<void> {
    const from = at(`from-${size}`);
    await writeFile(from, content.subarray(0, size));
    const { code, err } = await rig.run(
      way === 'up' ? ['cp', from, `${id}:${at(name)}`] : ['cp', `${id}:${from}`, at(name)],
    );
    expect({ code, err: code === 0 ? '' : err }).toEqual({ code: 0, err: '' });
    expect((await readFile(at(name))).equals(content.subarray(0, size))).toBe(true);
    await rm(at(name));
  }

  async function forward(size: number): Promise<void> {
    const wanted = await streamSum(size);
    expect(await stream('d', size)).toBe(wanted);
    expect(await stream('u', size)).toBe(wanted);
  }

  /** Waits until some of these copies has arrived beside each target. */
  async function midway(...names: string[]): Promise<void> {
    await eventually('a part of each copy is there', async () => {
      const files = await readdir(rig.folder);
      for (const name of names) {
        const part = files.find((file) => file.startsWith(`.${name}.`) && file.endsWith('.part'));
        if (part === undefined || (await stat(at(part))).size < 500_000) return false;
      }
      return true;
    });
  }

  /** A shell that counts, and what came of it: every number once and in order. */
  function counting(count: number, every: number): { typed: () => void; done: Promise<void> } {
    const shell = rig.patchbay(['terminal', id]);
    let said = '';
    shell.stdout!.on('data', (bytes: Buffer) => (said += bytes.toString()));
    shell.stdin!.write(
      `stty -echo; for i in $(seq ${count}); do echo "tick $i."; sleep ${every}; done; read word; echo "got $word"; exit\n`,
    );
    const gone = new Promise<number | null>((resolve) => shell.once('exit', resolve));
    return {
      // While the line is away it waits with the rest.
      typed: () => void shell.stdin!.write('hello\n'),
      done: gone.then((code) => {
        const ticks = [...said.matchAll(/tick (\d+)\./g)].map(([, number]) => Number(number));
        expect({ code, ticks }).toEqual({ code: 0, ticks: Array.from({ length: count }, (_, index) => index + 1) });
        expect(said).toContain('got hello');
      }),
    };
  }

  it('of 100 ms: 64 MiB copied up and down, and through a forwarded port; a shell beside them', async () => {
    await rig.line({ delay: 50 });
    const shell = counting(50, 0.1);
    shell.typed();
    await copy('up', 64 * MiB);
    await copy('down', 64 * MiB);
    await forward(64 * MiB);
    await shell.done;
  });

  it('of 600 ms: 8 MiB', async () => {
    await rig.line({ delay: 300 });
    const shell = counting(20, 0.1);
    shell.typed();
    await Promise.all([copy('up', 8 * MiB), copy('down', 8 * MiB)]);
    await forward(8 * MiB);
    await shell.done;
  });

  it('of 100 ms that loses a packet in a thousand: 8 MiB', async () => {
    await rig.line({ delay: 50, loss: 1000 });
    const shell = counting(50, 0.1);
    shell.typed();
    await Promise.all([copy('up', 8 * MiB), copy('down', 8 * MiB), forward(8 * MiB)]);
    await shell.done;
  });

  it('that is silent for 90 s while nobody closes anything: shell, port and copies go on where they were', async () => {
    await rig.line({ delay: 20 });
    const shell = counting(600, 0.2);
    const size = 64 * MiB;
    const wanted = await streamSum(2 * size);
    const done = [stream('d', 2 * size), stream('u', 2 * size)];
    const copies: Promise<Ran>[] = [
      rig.run(['cp', at('from'), `${id}:${at('silent-up')}`]),
      rig.run(['cp', `${id}:${at('from')}`, at('silent-down')]),
    ];
    await midway('silent-up', 'silent-down');
    await rig.line({ silent: true });
    shell.typed();
    await new Promise((resolve) => setTimeout(resolve, 90_000));
    await rig.line({ silent: false });
    expect(await Promise.all(done)).toEqual([wanted, wanted]);
    for (const { code, err } of await Promise.all(copies))
      expect({ code, err: code === 0 ? '' : err }).toEqual({ code: 0, err: '' });
    for (const name of ['silent-up', 'silent-down']) expect(sumOf(await readFile(at(name)))).toBe(sumOf(content));
    await shell.done;
  });

  it('whose server is killed and started again: shell, port and copies go on', async () => {
    await rig.line({ delay: 20 });
    const shell = counting(100, 0.2);
    const size = 64 * MiB;
    const wanted = await streamSum(2 * size);
    const done = [stream('d', 2 * size), stream('u', 2 * size)];
    const copies = [
      rig.run(['cp', at('from'), `${id}:${at('killed-up')}`]),
      rig.run(['cp', `${id}:${at('from')}`, at('killed-down')]),
    ];
    await midway('killed-up', 'killed-down');
    await rig.crashServer();
    shell.typed();
    expect(await Promise.all(done)).toEqual([wanted, wanted]);
    for (const { code, err } of await Promise.all(copies))
      expect({ code, err: code === 0 ? '' : err }).toEqual({ code: 0, err: '' });
    for (const name of ['killed-up', 'killed-down']) expect(sumOf(await readFile(at(name)))).toBe(sumOf(content));
    await shell.done;
  });

  it('whose device starts its Connect daemon anew: a copy goes on, and the port takes new connections', async () => {
    await rig.line({ delay: 20 });
    const copied = rig.run(['cp', at('from'), `${id}:${at('anew')}`]);
    await midway('anew');
    await rig.crashConnect();
    expect(await copied).toMatchObject({ code: 0 });
    expect(sumOf(await readFile(at('anew')))).toBe(sumOf(content));
    const wanted = await streamSum(MiB);
    await eventually('the port is open again', async () => (await stream('d', MiB)) === wanted);
  });
});
