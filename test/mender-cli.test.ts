// Mender's own command line, 1.9 as Debian ships it, against our server and a device that runs our client and connect.
import { execFile } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { connect, createServer, type AddressInfo } from 'node:net';
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
import { freePort } from './stage/nginx.ts';
import { eventually, Program } from './stage/program.ts';
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

  it('says of each artifact all that there is, describes one, and deletes it', async () => {
    const target = join(folder, 'other');
    const file = await singleFile(folder, { name: 'cli-2', type: 'bench', target, content: 'y\n' });
    await cli('artifacts', 'upload', '--no-progress', '--description', 'the second one', file);
    const { stdout } = await cli('artifacts', 'list', '--detail', '3');
    expect(stdout).toMatch(/Description: the second one/);
    expect(stdout).toMatch(/single-file/);
    const [{ id }] = await operator.get<[{ id: string }]>('/v1/deployments/artifacts?name=cli-2');
    await cli('artifacts', 'delete', id);
    expect((await cli('artifacts', 'list')).stdout).not.toContain('cli-2');
    await expect(cli('artifacts', 'delete', id)).rejects.toThrow(/404|not found/i);
  });

  it('says that an artifact is there already', async () => {
    const file = await singleFile(folder, { name: 'cli-1', type: 'bench', target: join(folder, 'x'), content: 'z\n' });
    await expect(cli('artifacts', 'upload', '--no-progress', file)).rejects.toThrow(/409|already exists/i);
  });

  it('lists the device, in words and as the server said it', async () => {
    const { stdout } = await cli('devices', 'list');
    expect(stdout).toContain(device.id);
    expect((await cli('devices', 'list', '--detail', '3')).stdout).toMatch(/accepted/);
    // It says this on standard error.
    const { stderr } = await cli('devices', 'list', '--raw');
    expect(stderr).toMatch(new RegExp(`"id": ?"${device.id}"`));
  });

  it('works with a token of a script instead of a login', async () => {
    const { stdout } = await run(tool, ['--server', server.url, '--token-value', operator.token, 'devices', 'list'], {
      env: { ...env, HOME: join(folder, 'nobody'), XDG_CACHE_HOME: join(folder, 'nobody') },
    });
    expect(stdout).toContain(device.id);
  });

  it('copies a file to the device and back', async () => {
    const [here, there, back] = ['here', 'there', 'back'].map((name) => join(folder, name));
    await writeFile(here!, 'a file\n');
    await cli('cp', here!, `${device.id}:${there}`);
    await cli('cp', `${device.id}:${there}`, back!);
    expect(await readFile(back!, 'utf8')).toBe('a file\n');
  });

  it('forwards a port', async () => {
    const echo = createServer((socket) => socket.pipe(socket)).listen(0, '127.0.0.1');
    await once(echo, 'listening');
    const { port } = echo.address() as AddressInfo;
    const local = await freePort();
    const args = ['--server', server.url, 'port-forward', device.id, `${local}:127.0.0.1:${port}`];
    await using _ = new Program('mender-cli port-forward', tool, args, env);
    const answer = await eventually('the port is forwarded', async () => {
      const socket = connect(local, '127.0.0.1');
      socket.on('error', () => {});
      socket.write('hello');
      const [chunk] = (await once(socket, 'data', { signal: AbortSignal.timeout(2000) })) as [Buffer];
      socket.destroy();
      return chunk.toString();
    });
    expect(answer).toBe('hello');
    echo.close();
  });

  it('TERM-22 records a terminal, and plays it back without a server', async () => {
    const record = join(folder, 'record');
    using screen = new Screen(tool, ['--server', server.url, 'terminal', device.id, '--record', record], env);
    await screen.shows(/Press CTRL\+\] to quit/i);
    screen.type('echo "re$((6 * 7))corded"\r');
    await screen.shows(/re42corded/);
    // It writes beside its other work, and what is not written when the shell ends is lost.
    await eventually('the recording can be played', async () => {
      using played = new Screen(tool, ['terminal', '--playback', record], env);
      await played.exited;
      return played.text.includes('re42corded');
    });
    screen.type('exit\r');
    expect(await screen.exited).toBe(0);
  });

  it('writes the completion of a shell', async () => {
    expect((await cli('completion', 'bash')).stdout).toMatch(/complete .*mender-cli/);
  });

  it('TERM-22 opens a terminal of the size of its own, follows a resize, and ends with the shell', async () => {
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
