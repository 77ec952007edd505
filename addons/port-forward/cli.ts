import { spawn } from 'node:child_process';
import { Duplex, type Readable, type Writable } from 'node:stream';
import type { Socket } from 'node:net';
import { CodedError, messageOf } from '#base/errors';
import { Backoff, pause } from '#base/backoff';
import { defineCli, type CliHost, type NamedDevice } from '#addon/cli';
import { Link } from './link.ts';
import { joinTcp, listen, type Listener } from './local.ts';
import manifest from './manifest.ts';
import { parseSpec, type Spec } from './spec.ts';

type Host = CliHost<typeof manifest>;

interface Options {
  readonly bind: string;
  readonly stdio?: boolean;
  readonly L?: string[];
}

/** For a device that was lost to come back, ms; the ports stay open meanwhile. */
const patience = 10 * 60_000;

const examples = `
Ports:
  8080:80             port 8080 here is port 80 of the device
  8080:10.0.0.5:80    … is port 80 of 10.0.0.5, as the device reaches it
  22                  port 22 here (or a free one) is port 22 of the device
  udp/5353:53         the same for UDP

With ssh:  ssh -o ProxyCommand='patchbay forward --stdio %h 22' root@DEVICE`;

const pageHelp = `
The page comes through the server, under an address of its own, for you alone. Only pages of the device itself: for other
hosts of its network use 'patchbay forward'.`;

export default defineCli(manifest, {
  forward(command, host) {
    command
      .argument('<device>', 'id, name or a unique prefix of it')
      .argument('[ports...]', 'what to forward: [tcp/|udp/][BIND:][LOCAL:[HOST:]]REMOTE')
      .option('-L <port...>', 'as one of the ports, in the form of ssh')
      .option('--bind <address>', 'listen on this address of this machine', '127.0.0.1')
      .option('--stdio', 'join standard input and output with one port: for ProxyCommand of ssh')
      .addHelpText('after', examples)
      .action(async (wanted: string, ports: string[], options: Options) => {
        const specs = [...ports, ...(options.L ?? [])].map(parseSpec);
        if (specs.length === 0) throw new CodedError('usage', 'name a port to forward, such as 8080:80');
        if (options.stdio && (specs.length > 1 || specs[0]?.protocol === 'udp'))
          throw new CodedError('usage', '--stdio joins with one TCP port');
        const device = await host.resolveDevice(wanted);
        if (options.stdio) host.exit(await overStdio(host, device, specs[0]!));
        else await forward(host, device, specs, options.bind);
      });
  },
  open(command, host) {
    command
      .argument('<device>', 'id, name or a unique prefix of it')
      .argument('[page]', 'port, with a path if need be: 8080, 80/status', '80')
      .option('--https', 'the page speaks TLS; known of 443 and 8443')
      .option('--no-browser', 'only print the link: it is good once, for a minute')
      .addHelpText('after', pageHelp)
      .action(async (wanted: string, page: string, options: { https?: boolean; browser: boolean }) => {
        const [, port = '', path = ''] = /^(\d{1,5})(\/.*)?$/.exec(page) ?? [];
        if (Number(port) < 1 || Number(port) > 0xffff)
          throw new CodedError('usage', `'${page}' is no page: write PORT or PORT/PATH, such as 8080/status`);
        const device = await host.resolveDevice(wanted);
        const url = await pageOf(host, device, Number(port), path, options.https);
        // A script takes the link from there.
        if (options.browser && host.stdout.isTTY && (await showInBrowser(url))) return;
        host.stdout.write(`${url}\n`);
      });
  },
});

/** A link to a page of a device. */
async function pageOf(host: Host, device: NamedDevice, port: number, path: string, https?: boolean): Promise<string> {
  const answer = await host.fetch(`/api/management/v1/patchbay/devices/${encodeURIComponent(device.id)}/pages`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ port, ...(path ? { path } : {}), ...(https ? { tls: true } : {}) }),
  });
  const { url, error } = (await answer.json().catch(() => ({}))) as { url?: unknown; error?: unknown };
  if (typeof url === 'string') return url;
  throw new CodedError('refused', typeof error === 'string' ? error : `the server answered ${answer.status}`);
}

/** False: there is no browser here that we know to start. */
async function showInBrowser(url: string): Promise<boolean> {
  const program = process.platform === 'darwin' ? 'open' : 'xdg-open';
  return await new Promise((resolve) => {
    const child = spawn(program, [url], { stdio: 'ignore', detached: true });
    child.once('error', () => resolve(false));
    child.once('exit', (code) => resolve(code === 0));
    child.unref();
  });
}

/** Standard input and output as a socket. Exit code 0 if the connection came about. */
async function overStdio(host: Host, device: NamedDevice, spec: Spec): Promise<number> {
  const session = await host.openSession(device.id);
  const link = new Link(session);
  const stop = (): void => session.close();
  host.signal.addEventListener('abort', stop);
  const running = link.run();
  const tell = (line: string): void => void host.stderr.write(`patchbay: ${device.name}: ${line}\n`);
  let done = false;
  const well = await Promise.race([
    joinTcp(link, asSocket(host.stdin, host.stdout), spec, tell),
    running.then(() => {
      if (!done && !host.signal.aborted) tell(reasonOf(session.signal));
      return false;
    }),
  ]);
  done = true;
  host.signal.removeEventListener('abort', stop);
  session.close();
  host.stdin.destroy();
  return well ? 0 : 1;
}

/** Two pipes as a socket: what is asked of one that they have not does nothing, and the output stays open at the end. */
function asSocket(input: Readable, output: Writable): Socket {
  const pipe = new Duplex({
    read: () => void input.resume(),
    write: (bytes, _, written) => void output.write(bytes, written),
    final: (written) => written(),
  });
  input.on('data', (bytes) => void (pipe.push(bytes) || input.pause()));
  input.on('end', () => pipe.push(null));
  input.on('error', (error) => pipe.destroy(error));
  const none = (): Duplex => pipe;
  return Object.assign(pipe, { setNoDelay: none, setKeepAlive: none }) as unknown as Socket;
}

/** Opens the ports and keeps them open, through losses of the link, until the person stops it. */
async function forward(host: Host, device: NamedDevice, specs: readonly Spec[], bind: string): Promise<void> {
  const { stderr, signal } = host;
  const tell = (line: string): void => void stderr.write(`${device.name}: ${line}\n`);
  let link: Link | undefined;
  let session = await host.openSession(device.id);
  const stop = (): void => session.close();
  signal.addEventListener('abort', stop);
  const listeners: Listener[] = [];
  try {
    for (const spec of specs) {
      const address = spec.bind ?? bind;
      const listener = await open(spec, address, specs.length === 1, () => link, tell);
      listeners.push(listener);
      tell(`${spec.protocol} ${show(address)}:${listener.port} is ${show(spec.host)}:${spec.remote} of the device`);
      hint(spec, show(address), listener.port, (line) => stderr.write(`  ${line}\n`));
    }
    stderr.write('Ctrl-C stops it.\n');
    for (;;) {
      const now = (link = new Link(session));
      let away = false;
      session.onLink((up) => {
        away = !up;
        tell(up ? 'connected again' : `reconnecting${now.size > 0 ? '; what is open stays open' : ''}`);
      });
      const cut = await link.run();
      link = undefined;
      if (signal.aborted) return;
      const why = session.signal.reason as unknown;
      if (!mayComeBack(why)) throw new CodedError('refused', `${device.name}: ${messageOf(why)}`);
      // Without a connection nothing is lost with a session: it is begun anew, as the one that was announced.
      if (!away || cut > 0) tell(`${messageOf(why)}; waiting for the device`);
      session = await again(host, device, messageOf(why));
      tell('connected again');
    }
  } finally {
    signal.removeEventListener('abort', stop);
    for (const listener of listeners) listener.close();
    session.close();
  }
}

/** A lost link, device or server; not what somebody decided. */
function mayComeBack(why: unknown): boolean {
  const { code } = why as { code?: unknown };
  return code === 'connection' || code === 'lost' || /disconnected|stopping|have this session/.test(messageOf(why));
}

/** One number may be any port here, if its own is taken or not ours to open. */
async function open(
  spec: Spec,
  address: string,
  alone: boolean,
  link: () => Link | undefined,
  tell: (line: string) => void,
): Promise<Listener> {
  if (alone && spec.local === spec.remote)
    return await listen(spec, address, link, tell).catch(() => listen({ ...spec, local: 0 }, address, link, tell));
  return await listen(spec, address, link, tell);
}

async function again(host: Host, device: NamedDevice, why: string): Promise<Awaited<ReturnType<Host['openSession']>>> {
  const backoff = new Backoff({ first: 500, ceiling: 10_000 });
  const end = performance.now() + patience;
  while (performance.now() < end && (await pause(backoff.next(), host.signal))) {
    try {
      return await host.openSession(device.id);
    } catch (error) {
      const { code } = error as { code?: unknown };
      if (code === 'unauthorized' || code === 'forbidden') throw error;
    }
  }
  throw new CodedError('lost', `${device.name}: ${why}, and the device did not come back`);
}

/** What to do with the port, for those that everybody knows. */
function hint({ remote, protocol }: Spec, address: string, port: number, say: (line: string) => void): void {
  if (protocol === 'udp') return;
  if (remote === 22) {
    say(`ssh -p ${port} root@${address}`);
    say(`scp -P ${port} FILE root@${address}:/tmp/`);
  } else if ([80, 8000, 8080, 3000].includes(remote)) say(`http://${address}:${port}/`);
  else if ([443, 8443].includes(remote)) say(`https://${address}:${port}/`);
  else if (remote === 5900) say(`vncviewer ${address}::${port}`);
  else if (remote === 1883) say(`mosquitto_sub -h ${address} -p ${port} -t '#'`);
}

const show = (address: string): string => (address.includes(':') ? `[${address}]` : address);

const reasonOf = (signal: AbortSignal): string => messageOf(signal.reason);
