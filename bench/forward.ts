// One TCP stream through a forwarded port, from the device's side to ours and back: patchbay forward, ssh -L to this
// machine, and mender-cli with mender-connect through our server.
import { once } from 'node:events';
import { connect, createServer, type AddressInfo } from 'node:net';
import { launcher } from '../test/stage/server.ts';
import { parties, rate, running } from './load/fleet-of-two.ts';
import { median, type Bench } from './row.ts';

const rounds = 5;
/** How long a stream runs, ms, after it has begun to flow. */
const span = 3000;

export const run: Bench = async ({ json }) => {
  await using all = await parties(json);
  const { rig, ours, ssh, mender } = all;
  await using source = await streamer();
  const target = `127.0.0.1:${source.port}`;
  using stack = new DisposableStack();
  const contestants: { name: string; least: number; port: number }[] = [];
  const patchbay = stack.use(
    await running(process.execPath, [launcher, 'forward', ours, `0:${target}`], rig.env, /127\.0\.0\.1:(\d+) is/),
  );
  contestants.push({ name: 'patchbay', least: 0, port: Number(patchbay.match[1]) });
  if (ssh) {
    const port = await freePort();
    const args = [
      '-v',
      '-N',
      '-L',
      `${port}:${target}`,
      ...ssh.map((o) => (o === 'LogLevel=ERROR' ? 'LogLevel=DEBUG' : o)),
    ];
    stack.use(await running('ssh', [...args, '127.0.0.1'], process.env, /Local forwarding listening/));
    contestants.push({ name: 'ssh -L', least: 0.5, port });
  }
  if (mender) {
    const port = await freePort();
    const args = [...mender.args, 'port-forward', mender.device, `${port}:${target}`];
    stack.use(await running(mender.tool, args, mender.env, /[Ff]orwarding from/));
    contestants.push({ name: 'mender-cli and mender-connect', least: 3, port });
  }
  const rows = [];
  for (const way of ['down', 'up'] as const) {
    const rates = new Map(contestants.map(({ name }): [string, number[]] => [name, []]));
    for (const { port } of contestants) await stream(port, way, source); // what is compiled late is compiled now
    for (let round = 0; round < rounds; round++)
      for (const { name, port } of contestants) rates.get(name)!.push(await stream(port, way, source));
    const mine = median(rates.get('patchbay')!);
    for (const { name, least } of contestants.slice(1))
      rows.push(rate('forward', `one stream ${way}`, mine, name, median(rates.get(name)!), least));
  }
  return rows;
};

interface Source extends AsyncDisposable {
  readonly port: number;
  /** Bytes that have arrived here. */
  taken: number;
}

/** Sends without end to who says `d`, and swallows and counts what comes from who says `u`. */
async function streamer(): Promise<Source> {
  const block = Buffer.alloc(256 * 1024, 7);
  const server = createServer((socket) => {
    socket.on('error', () => undefined);
    socket.once('data', (word: Buffer) => {
      if (word[0] === 0x64) {
        const fill = (): void => {
          while (socket.write(block));
        };
        socket.on('drain', fill);
        fill();
      } else socket.on('data', (bytes: Buffer) => (source.taken += bytes.length));
    });
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const source: Source = {
    port: (server.address() as AddressInfo).port,
    taken: 0,
    async [Symbol.asyncDispose]() {
      server.close();
    },
  };
  return source;
}

/** MB/s at the end where the bytes arrive, from the second on which they first did. */
async function stream(port: number, way: 'up' | 'down', source: Source): Promise<number> {
  const socket = connect(port, '127.0.0.1');
  socket.on('error', () => undefined);
  let got = 0;
  socket.on('data', (bytes: Buffer) => (got += bytes.length));
  socket.write(way === 'down' ? 'd' : 'u');
  const arrived = (): number => (way === 'down' ? got : source.taken);
  const before = arrived();
  if (way === 'up') {
    const block = Buffer.alloc(256 * 1024, 9);
    const fill = (): void => {
      while (!socket.destroyed && socket.write(block));
    };
    socket.on('drain', fill);
    fill();
  }
  while (arrived() === before) await pause(10);
  await pause(300);
  const [from, begun] = [arrived(), performance.now()];
  await pause(span);
  const rate = (arrived() - from) / 1e3 / (performance.now() - begun);
  socket.destroy();
  await pause(200);
  return rate;
}

async function freePort(): Promise<number> {
  const probe = createServer().listen(0, '127.0.0.1');
  await once(probe, 'listening');
  const { port } = probe.address() as AddressInfo;
  probe.close();
  return port;
}

const pause = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));
