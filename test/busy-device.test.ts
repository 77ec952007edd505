// One device that many things are done with at once.
import { spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { writeFile } from 'node:fs/promises';
import { connect, createServer, type AddressInfo, type Server, type Socket } from 'node:net';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { Keys } from './stage/keys.ts';
import { Rig } from './stage/rig.ts';
import { launcher } from './stage/server.ts';

let rig: Rig;
let id: string;
const open = new AsyncDisposableStack();

beforeAll(async () => {
  rig = open.use(await Rig.start('busy'));
  id = (await rig.device('patchbay')).id;
}, 240_000);
afterAll(() => open.disposeAsync());

async function listening(take: (socket: Socket) => void): Promise<number> {
  const server: Server = createServer((socket) => take(socket.on('error', () => undefined)));
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  open.defer(() => void server.close());
  return (server.address() as AddressInfo).port;
}

it('a key comes back soon while a large file is copied from the same device, and to it', async () => {
  await writeFile(join(rig.folder, 'large'), randomBytes(96 * 1024 * 1024));
  using keys = await Keys.at(rig.server.url, rig.operator.token, id);
  for (const args of [
    [`${id}:${join(rig.folder, 'large')}`, join(rig.folder, 'down')],
    [join(rig.folder, 'large'), `${id}:${join(rig.folder, 'up')}`],
  ]) {
    let done = false;
    const copied = rig.run(['cp', ...args]).finally(() => (done = true));
    const times = await keys.type(20, () => done);
    expect(await copied).toMatchObject({ code: 0, err: '' });
    // Far more than it takes; where one waits for the copy, a key takes as long as the copy.
    expect(times[Math.floor(times.length / 2)]).toBeLessThan(500);
    expect(times.at(-1)).toBeLessThan(5000);
  }
}, 240_000);

it('two thousand short connections go through a forwarded port beside one that is stuck', async () => {
  const echo = await listening((socket) => socket.pipe(socket));
  const stuck = await listening((socket) => void socket.pause());
  const child = spawn(process.execPath, [launcher, 'forward', id, `0:${echo}`, `0:${stuck}`], { env: rig.env });
  open.defer(() => void child.kill('SIGKILL'));
  const ports: number[] = [];
  for await (const line of createInterface(child.stderr)) {
    const port = / 127\.0\.0\.1:(\d+) is /.exec(line)?.[1];
    if (port) ports.push(Number(port));
    if (ports.length === 2) break;
  }
  child.stderr.resume();
  const jam = connect(ports[1]!, '127.0.0.1');
  jam.on('error', () => undefined);
  // As much as its window and all buffers on the way take.
  await new Promise<void>((resolve) => {
    const block = Buffer.alloc(1024 * 1024);
    let quiet = setTimeout(resolve, 1500);
    const fill = (): void => {
      while (jam.write(block));
      clearTimeout(quiet);
      quiet = setTimeout(resolve, 1500);
    };
    jam.on('drain', fill);
    fill();
  });
  const short = async (word: string): Promise<void> => {
    const socket = connect(ports[0]!, '127.0.0.1');
    socket.end(word);
    let said = '';
    for await (const bytes of socket) said += String(bytes);
    expect(said).toBe(word);
  };
  let next = 0;
  const worker = async (): Promise<void> => {
    while (next < 2000) await short(`connection ${next++}`);
  };
  await Promise.all(Array.from({ length: 50 }, worker));
  jam.destroy();
}, 240_000);
