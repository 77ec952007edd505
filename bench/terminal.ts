// From a key press to its echo on the screen: our CLI, relay, connect and a pty; beside it ssh to this machine, and
// Mender's own CLI and Connect daemon through our server. Each in a terminal of its own, in turns, on the same machine.
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { spawn, type IPty } from 'node-pty';
import { PeerMissing, peer, peerEnvironment } from '../test/peers.ts';
import { startBus } from '../test/stage/bus.ts';
import { layDevice, startMenderConnect } from '../test/stage/mender.ts';
import { Operator } from '../test/stage/operator.ts';
import { startClient, startConnect } from '../test/stage/patchbay.ts';
import type { Program } from '../test/stage/program.ts';
import { launcher, startServer, type Server } from '../test/stage/server.ts';
import { startSshd } from '../test/stage/sshd.ts';
import { percentile, type Bench, type Row } from './row.ts';

const rounds = 10;
const keysPerRound = 100;
/** Between two keys, ms: nobody types faster, and nothing of the last key is still under way. */
const between = 5;

interface Contestant {
  readonly name: string;
  readonly terminal: Terminal;
  readonly times: number[];
}

export const run: Bench = async ({ json }) => {
  const folder = await mkdtemp(join(tmpdir(), 'patchbay-bench-'));
  await using programs = new AsyncDisposableStack();
  programs.defer(() => rm(folder, { recursive: true, force: true }));
  const server = await startServer(folder);
  programs.defer(async () => void (await server.stop()));
  const operator = await Operator.login(server.url, server.user, server.password);

  const contestants: Contestant[] = [];
  const enter = async (name: string, prepare: () => Promise<() => Terminal>): Promise<void> => {
    try {
      contestants.push({ name, terminal: programs.use(await withShell(await prepare())), times: [] });
    } catch (error) {
      // A machine without the real programs still measures what it has.
      if (!(error instanceof PeerMissing)) throw error;
      if (!json) console.error(`bench: without ${name}: ${error.message}`);
    }
  };
  await enter('patchbay', () => patchbay(programs, folder, server, operator));
  await enter('ssh to localhost', () => ssh(programs, folder));
  await enter('mender-cli and mender-connect', () => mender(programs, folder, server, operator));

  for (const { terminal } of contestants) await terminal.type(20); // what is compiled late is compiled now
  for (let round = 0; round < rounds; round++)
    for (const { terminal, times } of contestants) times.push(...(await terminal.type(keysPerRound)));

  const [ours, ...others] = contestants;
  return others.flatMap(({ name, times }) => {
    const limit = name.startsWith('ssh') ? 1.5 : 1;
    return [50, 99].map((rank) => row(rank, ours!.times, name, times, limit));
  });
};

function row(rank: number, mine: readonly number[], against: string, theirs: readonly number[], limit: number): Row {
  const [ours, other] = [percentile(mine, rank), percentile(theirs, rank)];
  const ratio = ours / other;
  // The design sets a target for the usual key only; the rare slow one is shown.
  const target = rank === 50 ? `${limit === 1 ? '<' : '≤'} ${limit}` : 'shown';
  const met = rank !== 50 || (limit === 1 ? ratio < limit : ratio <= limit);
  return { bench: 'terminal', case: `key to echo, p${rank}`, unit: 'ms', ours, against, other, ratio, target, met };
}

/** One whose shell speaks: now and then one of mender-connect's is mute for good, and another one has to be opened. */
async function withShell(open: () => Terminal): Promise<Terminal> {
  for (let tries = 1; ; tries++) {
    const terminal = open();
    try {
      await terminal.ready();
      return terminal;
    } catch (error) {
      terminal[Symbol.dispose]();
      if (tries === 5) throw error;
    }
  }
}

/** A client in a terminal, with a shell at its other end. */
class Terminal implements Disposable {
  readonly #pty: IPty;
  #heard = '';
  #wake: () => void = () => {};

  constructor(command: string, args: readonly string[], env: NodeJS.ProcessEnv) {
    this.#pty = spawn(command, [...args], { cols: 80, rows: 24, env: { ...env, TERM: 'xterm-256color' } });
    this.#pty.onData((data) => {
      this.#heard += data;
      this.#wake();
    });
    this.#pty.onExit(({ exitCode }) => {
      this.#heard += `\nended with ${exitCode}`;
      this.#wake();
    });
  }

  /** Waits for the far shell, and puts in its place a program that is quiet: only its terminal answers a key. */
  async ready(): Promise<void> {
    for (let tries = 0; ; tries++) {
      this.#pty.write("stty echo; printf 'far''away'; exec cat > /dev/null\r");
      if (await this.#shows('faraway', 5000)) break;
      if (tries === 2) throw new Error(`no shell: ${JSON.stringify(this.#heard.slice(-500))}`);
    }
    await pause(500);
  }

  /** Types so many keys, one after the echo of the other; ms that each took. */
  async type(keys: number): Promise<number[]> {
    const times: number[] = [];
    for (let i = 0; i < keys; i++) {
      this.#heard = '';
      const start = performance.now();
      this.#pty.write('k');
      if (!(await this.#shows('k', 10_000))) throw new Error(`no echo: ${JSON.stringify(this.#heard)}`);
      times.push(performance.now() - start);
      await pause(between);
    }
    this.#heard = '';
    this.#pty.write('\r'); // a line of the terminal holds 4096 keys
    await pause(20);
    return times;
  }

  async #shows(text: string, ms: number): Promise<boolean> {
    const end = performance.now() + ms;
    const timer = setTimeout(() => this.#wake(), ms);
    while (!this.#heard.includes(text) && performance.now() < end)
      await new Promise<void>((resolve) => (this.#wake = resolve));
    clearTimeout(timer);
    return this.#heard.includes(text);
  }

  [Symbol.dispose](): void {
    this.#pty.kill('SIGKILL');
  }
}

const pause = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));

/** A device with our client and the given Connect daemon, known to the server; its id. */
async function device(
  programs: AsyncDisposableStack,
  folder: string,
  mac: string,
  server: Server,
  operator: Operator,
  connect: (folder: string, bus: string) => Promise<Program>,
): Promise<string> {
  const own = await mkdtemp(join(folder, 'device-'));
  const bus = programs.use(await startBus(own));
  await layDevice({ folder: own, mac, type: 'bench', serverUrl: server.url, every: 2 });
  programs.use(startClient(own, bus.address));
  const { id } = await operator.welcome(mac);
  programs.use(await connect(own, bus.address));
  await operator.connected(id);
  return id;
}

async function patchbay(
  programs: AsyncDisposableStack,
  folder: string,
  server: Server,
  operator: Operator,
): Promise<() => Terminal> {
  const id = await device(programs, folder, '02:00:00:00:be:01', server, operator, startConnect);
  const env = { ...process.env, PATCHBAY_SERVER: server.url, PATCHBAY_TOKEN: operator.token };
  return () => new Terminal(process.execPath, [launcher, 'terminal', id], env);
}

async function ssh(programs: AsyncDisposableStack, folder: string): Promise<() => Terminal> {
  const sshd = programs.use(await startSshd(folder));
  return () => new Terminal('ssh', [...sshd.options, '-tt', '127.0.0.1', '/bin/bash --norc'], process.env);
}

async function mender(
  programs: AsyncDisposableStack,
  folder: string,
  server: Server,
  operator: Operator,
): Promise<() => Terminal> {
  const tool = join(await peer('mender-cli'), 'usr', 'bin', 'mender-cli');
  const id = await device(programs, folder, '02:00:00:00:be:02', server, operator, startMenderConnect);
  const env = { ...process.env, ...(await peerEnvironment('mender-cli')), HOME: folder };
  return () => new Terminal(tool, ['--server', server.url, '--token-value', operator.token, 'terminal', id], env);
}
