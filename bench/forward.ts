// One TCP stream through a forwarded port, from the device's side to ours and back: patchbay forward, ssh -L to this
// machine, and mender-cli with mender-connect through our server.
import { once } from 'node:events';
import { join } from 'node:path';
import { connect, createServer, type AddressInfo } from 'node:net';
import { launcher } from '../test/stage/server.ts';
import { peer, peerEnvironment } from '../test/peers.ts';
import { FarAway } from '../test/stage/far-away.ts';
import { attempt, parties, rate, running } from './load/fleet-of-two.ts';
import { atLeast, median, type Bench, type Row } from './row.ts';

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
  return [...rows, ...((await attempt('a long line', json, overLine)) ?? [])];
};

/** Over a line of 100 ms. The streams begin and end on the two sides of it, so scripts there do what is done here above. */
async function overLine(): Promise<Row[]> {
  await using rig = await FarAway.start();
  await using stack = new AsyncDisposableStack();
  // Before anybody connects: a connection that has once seen a short line takes the long one for a full one, and TCP (CUBIC's
  // HyStart) then needs ten seconds to use it.
  await rig.line({ delay: 50 });
  const ours = (await rig.device('patchbay')).id;
  const mender = (await rig.device('mender')).id;
  await stack.use(rig.far.program('source', process.execPath, ['-e', farSource])).said(/^ready$/);
  const patchbay = stack.use(
    rig.near.program('patchbay forward', process.execPath, [launcher, 'forward', ours, '7100:7000'], rig.env),
  );
  await patchbay.said(/127\.0\.0\.1:7100 is/);
  const cli = join(await peer('mender-cli'), 'usr', 'bin', 'mender-cli');
  const env = { ...rig.env, ...(await peerEnvironment('mender-cli')), HOME: rig.folder };
  const login = ['--server', rig.env['PATCHBAY_SERVER']!, '--token-value', rig.env['PATCHBAY_TOKEN']!];
  await stack
    .use(rig.near.program('mender-cli', cli, [...login, 'port-forward', mender, '7200:7000'], env))
    .said(/[Ff]orwarding from/);
  const rows: Row[] = [];
  for (const way of ['d', 'u']) {
    const [mine, theirs]: [number[], number[]] = [[], []];
    for (let round = 0; round < farRounds; round++) {
      mine.push(Number(await rig.node(rig.near, farStream, '7100', way, String(span))));
      theirs.push(Number(await rig.node(rig.near, farStream, '7200', way, String(span))));
    }
    const what = `one stream ${way === 'd' ? 'down' : 'up'} at 100 ms`;
    rows.push(rate('forward', what, median(mine), 'mender-cli and mender-connect', median(theirs), 3));
    rows.push(atLeast('forward', what, median(mine), 8));
  }
  return rows;
}

const farRounds = 3;

/** Sends without end to who says `d`; tells who says `u` each 100 ms how much of his has come. */
const farSource = `const block = Buffer.alloc(262144, 7);
  require('net').createServer((socket) => {
    socket.on('error', () => undefined);
    socket.once('data', (word) => {
      if (word[0] === 0x64) { const fill = () => { while (socket.write(block)); }; socket.on('drain', fill); return fill(); }
      let got = 0;
      socket.on('data', (bytes) => (got += bytes.length));
      const telling = setInterval(() => socket.write(got + '\\n'), 100);
      socket.on('close', () => clearInterval(telling));
    });
  }).listen(7000, '127.0.0.1', () => console.log('ready'));`;

/** MB/s in the last of two spans: by then a window is open. */
const farStream = `const [port, way, span] = process.argv.slice(-3);
  const socket = require('net').connect(Number(port), '127.0.0.1');
  let got = 0;
  socket.on('data', (bytes) => { if (way === 'd') got += bytes.length; else got = Number(String(bytes).trim().split('\\n').at(-1)) || got; });
  socket.write(way);
  if (way === 'u') { const block = Buffer.alloc(262144, 9); const fill = () => { while (socket.write(block)); }; socket.on('drain', fill); setTimeout(fill, 300); }
  setTimeout(() => {
    const [from, begun] = [got, performance.now()];
    setTimeout(() => { console.log((got - from) / 1e3 / (performance.now() - begun)); process.exit(0); }, Number(span));
  }, Number(span));`;

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
