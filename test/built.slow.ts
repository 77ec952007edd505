// What ships, run as it ships: the package out of `npm pack`, and one file each for the programs of a device.
import { execFile } from 'node:child_process';
import { cp, mkdir, mkdtemp, readdir, readFile, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { startBus } from './stage/bus.ts';
import { layDevice } from './stage/mender.ts';
import { Operator } from './stage/operator.ts';
import { startBuilt } from './stage/patchbay.ts';
import type { Program } from './stage/program.ts';
import { startServer } from './stage/server.ts';
import { Shell } from './stage/shell.ts';

const run = promisify(execFile);
const root = join(import.meta.dirname, '..');

describe('npm run build', () => {
  let folder: string;
  let launcher: string;
  let bundles: string;

  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'patchbay-built-'));
    const built = join(folder, 'built');
    await run(process.execPath, [join(root, 'tools', 'build.mjs'), '--out', built], { cwd: root });
    await run('npm', ['pack', '--pack-destination', folder], { cwd: built });
    const [archive = ''] = (await readdir(folder)).filter((name) => name.endsWith('.tgz'));
    await run('tar', ['-xzf', join(folder, archive), '-C', folder]);
    // What `npm install` of the package would fetch is here already.
    await symlink(join(root, 'node_modules'), join(folder, 'package', 'node_modules'));
    launcher = join(folder, 'package', 'bin', 'patchbay.js');
    // Says at its end what of Node a program has loaded.
    await writeFile(
      join(folder, 'loaded.cjs'),
      `process.on('exit', () => require('fs').writeFileSync(process.env.LOADED, process.moduleLoadList.join('\\n')))`,
    );
    // A device gets these files and nothing else: no node_modules of ours is above them.
    bundles = join(folder, 'device');
    await mkdir(bundles);
    for (const part of ['patchbay-device', 'client.cjs', 'connect.cjs', 'device.cjs', 'device', 'node_modules']) {
      await cp(join(built, 'bin', part), join(bundles, part), { recursive: true });
    }
  }, 180_000);

  afterAll(async () => await rm(folder, { recursive: true, force: true }));

  it('ships the artifact tool: what it writes, it reads and finds good', async () => {
    const file = join(folder, 'motd');
    const artifact = join(folder, 'motd.mender');
    await writeFile(file, 'hello\n');
    const tool = async (...args: string[]) => (await run(process.execPath, [launcher, 'artifact', ...args])).stdout;
    const written = ['-n', 'motd-1', '-t', 'bench', '-T', 'notes', '-f', file, '-o', artifact];
    await tool('write', 'module-image', ...written);
    expect(await tool('read', artifact)).toContain('motd-1');
    await tool('validate', artifact);
  });

  it('makes a package whose command says its version and its commands', async () => {
    expect((await run(process.execPath, [launcher, '--version'])).stdout).toBe('0.1.0\n');
    expect((await run(process.execPath, [launcher, '--help'])).stdout).toContain('terminal');
  });

  it('holds no test and no TypeScript, and every page', async () => {
    const names = await readdir(join(folder, 'package'), { recursive: true });
    const ours = names.filter((name) => !name.startsWith('node_modules'));
    expect(ours.filter((name) => /\.test\.|\.testing\.|\.slow\.|\/rig\/|(?<!\.d)\.tsx?$/.test(name))).toEqual([]);
    expect(ours).toContain('web/index.html');
    expect(ours).toContain('client/share/modules/v3/single-file');
  });

  it('makes a Debian package that runs where nothing else is installed', async () => {
    const deb = join(folder, 'deb');
    await run(process.execPath, [join(root, 'packaging', 'deb.mjs'), '--built', join(folder, 'built'), '--out', deb]);
    const [file = ''] = await readdir(deb);
    const machine = join(folder, 'machine');
    await run('dpkg', ['-x', join(deb, file), machine]);
    const program = join(machine, 'usr', 'bin', 'patchbay-device');
    const bare = { env: { PATH: '/usr/bin:/bin' } };
    expect((await run(program, ['client', '--version'], bare)).stdout).toBe('0.1.0\n');
    await expect(run(program, ['server'], bare)).rejects.toMatchObject({ code: 2 });
  });

  it.each(['two processes', 'one process'])('runs a server, and a device of bundled files as %s', async (processes) => {
    const own = await mkdtemp(join(folder, 'run-'));
    await using programs = new AsyncDisposableStack();
    const begin = (program: Program) => programs.use(program);
    const server = await startServer(own, launcher);
    begin(server.program);
    expect(await (await fetch(`${server.url}/health`)).json()).toEqual({ status: 'ok' });
    expect(await (await fetch(server.url)).text()).toContain('<title>Patchbay</title>');

    const operator = await Operator.login(server.url, server.user, server.password);
    const bus = await startBus(own);
    begin(bus);
    const mac = '02:00:00:00:b1:01';
    await layDevice({ folder: own, mac, type: 'bench', serverUrl: server.url });
    const one = processes === 'one process';
    const shipped = { built: bundles, node: process.execPath };
    vi.stubEnv('NODE_OPTIONS', `--require ${join(folder, 'loaded.cjs')}`);
    vi.stubEnv('LOADED', join(own, 'loaded'));
    const first = begin(await startBuilt(one ? 'device' : 'client', shipped, own, bus.address));
    vi.unstubAllEnvs();
    const device = await operator.welcome(mac);
    // The bundles write introspection data with a few lines of their own.
    const asked = ['--print-reply', `--bus=${bus.address}`, '--dest=io.patchbay.Client', '/io/patchbay/Client'];
    const { stdout } = await run('dbus-send', [...asked, 'org.freedesktop.DBus.Introspectable.Introspect']);
    for (const part of [
      '<interface name="io.patchbay.Update1">',
      '<method name="Defer">',
      '<property name="Progress" type="u"',
    ])
      expect(stdout).toContain(part);
    if (!one) begin(await startBuilt('connect', shipped, own, bus.address));
    await operator.connected(device.id);
    using shell = await Shell.open(operator, device.id);
    shell.type('echo "and $((6 * 7))"\n');
    await shell.shows(/and 42/);
    await shell.stop();

    // The first `fetch` costs a device 8 MiB: it has a compiler for WebAssembly and HTTP/2 with it.
    if (one) await first.said(/checks of the server/);
    await first.stop();
    const loaded = await readFile(join(own, 'loaded'), 'utf8');
    expect(loaded).toMatch(/ https$/m);
    expect(loaded).not.toMatch(/undici|http2|webstreams/);
  });
});
