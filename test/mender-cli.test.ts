// Mender's own command line, 1.9 as Debian ships it, against our server and a device that runs our client and connect.
import { execFile } from 'node:child_process';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, expect, it } from 'vitest';
import type { Device } from '#proto/http/devices';
import { describePeers, peerEnvironment } from './peers.ts';
import { singleFile } from './stage/artifacts.ts';
import { startBus } from './stage/bus.ts';
import { layDevice } from './stage/mender.ts';
import { Operator } from './stage/operator.ts';
import { startClient, startConnect } from './stage/patchbay.ts';
import type { Program } from './stage/program.ts';
import { Screen } from './stage/screen.ts';
import { startServer, type Server } from './stage/server.ts';

const run = promisify(execFile);
const mac = '02:00:00:00:19:01';

await describePeers('mender-cli 1.9', ['mender-cli', 'mender-artifact'], (root) => {
  const tool = join(root ?? '', 'usr', 'bin', 'mender-cli');
  let folder: string;
  let server: Server;
  let operator: Operator;
  let device: Device;
  let env: NodeJS.ProcessEnv;
  const programs: Program[] = [];
  const cli = (...args: string[]) => run(tool, ['--server', server.url, ...args], { env });

  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'patchbay-mender-cli-'));
    env = {
      ...process.env,
      ...(await peerEnvironment('mender-cli')),
      HOME: folder,
      XDG_CACHE_HOME: join(folder, 'cache'),
    };
    server = await startServer(folder);
    operator = await Operator.login(server.url, server.user, server.password);
    const bus = await startBus(folder);
    programs.push(bus);
    await layDevice({ folder, mac, type: 'bench', serverUrl: server.url });
    programs.push(startClient(folder, bus.address));
    device = await operator.welcome(mac);
    programs.push(await startConnect(folder, bus.address));
    await operator.connected(device.id);
  });

  afterAll(async () => {
    for (const program of programs.toReversed()) await program.stop();
    await server?.stop();
    await rm(folder, { recursive: true, force: true });
  });

  it('is refused with a wrong password', async () => {
    await expect(cli('login', '--username', server.user, '--password', 'wrong')).rejects.toThrow(/401|[Uu]nauthorized/);
  });

  it('logs in', async () => {
    const { stdout } = await cli('login', '--username', server.user, '--password', server.password);
    expect(stdout).toMatch(/login successful/);
  });

  it('uploads an artifact and lists it', async () => {
    const target = join(folder, 'target');
    await cli(
      'artifacts',
      'upload',
      await singleFile(folder, { name: 'cli-1', type: 'bench', target, content: 'x\n' }),
    );
    const { stdout } = await cli('artifacts', 'list');
    expect(stdout).toContain('cli-1');
  });

  it('lists the device', async () => {
    const { stdout } = await cli('devices', 'list');
    expect(stdout).toContain(device.id);
  });

  it('opens a terminal of the size of its own, follows a resize, and ends with the shell', async () => {
    using screen = new Screen(tool, ['--server', server.url, 'terminal', device.id], env, { cols: 90, rows: 25 });
    await screen.shows(/Press CTRL\+\] to quit/i);
    screen.type('stty size; echo "and $((6 * 7))"\r');
    await screen.shows(/25 90\s+and 42/);
    screen.resize(120, 33);
    screen.type('until stty size | grep -q "33 120"; do sleep 0.1; done; echo "now $((7 * 6))"\r');
    await screen.shows(/now 42/);
    screen.type('exit\r');
    expect(await screen.exited).toBe(0);
  });

  it('is told that a device is not there', async () => {
    await expect(cli('terminal', '00000000-0000-4000-8000-000000000000')).rejects.toThrow(
      /not connected|not found|404/,
    );
  });
});
