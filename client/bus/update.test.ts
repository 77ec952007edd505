import { execFile, spawn, spawnSync, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { promisify } from 'node:util';
import dbus, { type MessageBus } from 'dbus-next';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { itWhere } from '#base/where.testing';
import { authentication } from '#proto/dbus';
import { update1, update1Xml } from '#proto/update1';
import { loadConfig } from '../config.ts';
import { clientParts, runClient } from '../daemon.ts';
import { Nudges } from '../nudges.ts';
import { paths } from '../places.ts';
import { makeArtifact } from '../rig/artifact.ts';
import { RigBus } from '../rig/bus.ts';
import { RigDevice, type Behaviour } from '../rig/device.ts';
import { RigLog } from '../rig/log.ts';
import { ScriptedServer } from '../rig/server.ts';

const run = promisify(execFile);
const packaging = join(import.meta.dirname, '..', '..', 'packaging');

/** A block of code of the guide's chapter on D-Bus, by its language. */
function block(language: string): string {
  const guide = readFileSync(join(import.meta.dirname, '..', '..', 'docs', 'client.md'), 'utf8');
  const chapter = guide.slice(guide.indexOf('\n## D-Bus\n'));
  const code = new RegExp(`\`\`\`${language}\n([^]*?)\n\`\`\``).exec(chapter)?.[1];
  if (code === undefined) throw new Error(`the guide shows nothing in ${language}`);
  return code;
}

const python = '/usr/bin/python3';
const noPython =
  spawnSync(python, ['-c', 'import dbus, gi']).status === 0 ? undefined : 'install python3-dbus and python3-gi';
const missing = (program: string, package_: string): string | undefined =>
  spawnSync('sh', ['-c', `command -v ${program}`]).status === 0 ? undefined : `install ${package_}`;

let server: ScriptedServer;
let device: RigDevice;
let bus: RigBus;
let stop: AbortController;
let client: Promise<void>;
let log: RigLog;
let nudges: Nudges;
let peers: MessageBus[];
let children: ChildProcess[];

beforeEach(async () => {
  server = await ScriptedServer.open();
  device = new RigDevice({ ServerURL: server.url });
  device.installed('release-1');
  bus = await RigBus.open(device.root);
  process.env['DBUS_SYSTEM_BUS_ADDRESS'] = bus.address;
  stop = new AbortController();
  log = new RigLog();
  nudges = new Nudges();
  client = Promise.resolve();
  peers = [];
  children = [];
});
afterEach(async () => {
  for (const peer of peers) peer._connection.stream.destroy();
  for (const child of children) {
    if (child.exitCode !== null || child.signalCode !== null) continue;
    const gone = once(child, 'exit');
    child.kill('SIGKILL');
    await gone;
  }
  stop.abort();
  await client;
  await bus[Symbol.asyncDispose]();
  server.close();
  device[Symbol.dispose]();
});

/** The client, idle, with its D-Bus service up. */
async function start(second = 10): Promise<void> {
  client = runClient({ ...device.options(log, second), nudges }, stop.signal);
  await log.until('D-Bus service ready', update1.name);
  await server.called((call) => call.path.includes('deployments/next'));
}

function offer(behaviour: Behaviour = {}): void {
  device.module(behaviour);
  server.deployment = { id: 'd1', artifact: makeArtifact({ name: 'release-2' }) };
  nudges.check();
}

/** Another program on the bus. */
class Screen {
  readonly #bus = dbus.sessionBus({ busAddress: bus.address });
  readonly states: string[] = [];
  #wake: () => void = () => undefined;
  constructor() {
    this.#bus.on('error', () => undefined);
    peers.push(this.#bus);
    this.#bus.on('message', (message) => {
      if (message.member === 'StateChanged') this.states.push(String(message.body[0]));
      if (message.member === 'PropertiesChanged') this.changes.push(message.body[1] as Changes);
      this.#wake();
    });
  }
  readonly changes: Changes[] = [];

  async watch(): Promise<this> {
    const match = { destination: 'org.freedesktop.DBus', path: '/org/freedesktop/DBus' };
    const call = { ...match, interface: 'org.freedesktop.DBus', member: 'AddMatch', signature: 's' };
    await this.#bus.call(new dbus.Message({ ...call, body: [`type='signal',path='${update1.path}'`] }));
    return this;
  }
  async until(state: string): Promise<void> {
    while (!this.states.includes(state)) await new Promise<void>((resolve) => (this.#wake = resolve));
  }
  async call(member: string, ...numbers: number[]): Promise<unknown[]> {
    const { name: destination, path, interface: face } = update1;
    const body = numbers.length > 0 ? { signature: 'u', body: numbers } : {};
    return (await this.#bus.call(new dbus.Message({ destination, path, interface: face, member, ...body }))).body;
  }
  async get(property: string): Promise<unknown> {
    const { name: destination, path, interface: face } = update1;
    const call = { destination, path, interface: 'org.freedesktop.DBus.Properties', member: 'Get', signature: 'ss' };
    const { body } = await this.#bus.call(new dbus.Message({ ...call, body: [face, property] }));
    return (body[0] as { value: unknown }).value;
  }
}
type Changes = Readonly<Record<string, { value: unknown }>>;

describe('io.patchbay.Update1', () => {
  it('a screen follows an update: its states, its progress, its result', async () => {
    await start();
    const screen = await new Screen().watch();
    expect(await screen.get('State')).toBe('idle');
    expect(await screen.get('InstalledArtifact')).toBe('release-1');
    expect(await screen.get('LastResult')).toEqual(['', '', '', 0, '']);
    expect(await screen.get('DeferrableSeconds')).toBe(86_400);
    offer({ needsReboot: 'Yes' });
    await screen.until('idle');
    const course = ['downloading', 'installing', 'rebooting', 'verifying', 'committing', 'finishing', 'idle'];
    expect(screen.states).toEqual(course);
    const values = (property: string) => screen.changes.flatMap((change) => change[property]?.value ?? []);
    expect(values('Progress')).toContain(100);
    expect(values('ArtifactName')).toContain('release-2');
    expect(await screen.get('InstalledArtifact')).toBe('release-2');
    const [deployment, artifact, result, at, reason] = (await screen.get('LastResult')) as [
      string,
      string,
      string,
      number,
      string,
    ];
    expect({ deployment, artifact, result, reason }).toEqual({
      deployment: 'd1',
      artifact: 'release-2',
      result: 'success',
      reason: '',
    });
    expect(Math.abs(at - Date.now() / 1000)).toBeLessThan(60);
  });

  it('says why an update failed', async () => {
    await start();
    const screen = await new Screen().watch();
    offer({ fails: ['ArtifactInstall'] });
    await screen.until('idle');
    expect(screen.states).toEqual(['downloading', 'installing', 'rolling-back', 'failing', 'finishing', 'idle']);
    expect(await screen.get('LastResult')).toMatchObject([
      'd1',
      'release-2',
      'failure',
      expect.any(Number),
      'update module recorder ended with 1 in ArtifactInstall',
    ]);
  });

  it('CheckForUpdate and SendInventory act at once', async () => {
    await start();
    const screen = new Screen();
    const polled = server.called((call) => call.path.includes('deployments/next'), true);
    await screen.call('CheckForUpdate');
    await polled;
    const before = server.inventories.length;
    device.write(join(paths.inventory(device.places), 'mender-inventory-new'), '#!/bin/sh\necho new=1\n', 0o755);
    const sent = server.called((call) => call.path.includes('attributes'), true);
    await screen.call('SendInventory');
    await sent;
    expect(server.inventories.length).toBe(before + 1);
  });

  it('a deferred update waits before install and before reboot, the server knows, and Proceed lets it go on', async () => {
    await start(1000);
    const screen = await new Screen().watch();
    const [until] = await screen.call('Defer', 3600);
    expect(Math.abs(Number(until) - Date.now() / 1000 - 3600)).toBeLessThan(5);
    offer({ needsReboot: 'Yes' });
    await screen.until('waiting-to-install');
    expect(await screen.get('DeferredUntil')).toBe(until);
    await server.called((call) => call.body.includes('pause_before_installing'));
    expect(device.calls()).not.toContain('ArtifactInstall');
    await screen.call('Proceed');
    await screen.until('installing');
    await screen.call('Defer', 3600);
    await screen.until('waiting-to-reboot');
    expect(device.calls()).toContain('ArtifactInstall');
    expect(device.calls()).not.toContain('ArtifactReboot');
    await screen.call('Proceed');
    await screen.until('idle');
    expect(server.reports).toEqual([
      'downloading',
      'pause_before_installing',
      'installing',
      'pause_before_rebooting',
      'rebooting',
      'installing',
      'success',
    ]);
    expect(await screen.get('DeferredUntil')).toBe(0);
    expect(device.record().deferral).toBeUndefined();
  });

  it('no update is held longer than DeferLimitSeconds, however often somebody asks', async () => {
    device.write(paths.config(device.places), JSON.stringify({ ServerURL: server.url, DeferLimitSeconds: 10 }));
    await start(100);
    const screen = await new Screen().watch();
    await screen.call('Defer', 4_000_000);
    offer({ needsReboot: 'Yes' });
    const refused = new Set<string>();
    while (!screen.states.includes('installing'))
      await screen.call('Defer', 4_000_000).catch((error: { type: string }) => refused.add(error.type));
    await screen.until('idle');
    expect(screen.states).toContain('waiting-to-install');
    if (refused.size > 0) expect([...refused]).toEqual(['io.patchbay.Error.DeferLimit']);
    expect(server.reports.at(-1)).toBe('success');
    await expect(screen.call('Defer', 0)).rejects.toMatchObject({ type: 'io.patchbay.Error.Usage' });
  });

  it('with a limit of 0 nothing is deferred, and the caller is told which key says so', async () => {
    device.write(paths.config(device.places), JSON.stringify({ ServerURL: server.url, DeferLimitSeconds: 0 }));
    await start();
    await expect(new Screen().call('Defer', 5)).rejects.toMatchObject({
      type: 'io.patchbay.Error.DeferLimit',
      message: expect.stringContaining('DeferLimitSeconds'),
    });
  });

  it('a server that aborts while the update waits is heard: nothing is installed', async () => {
    await start(1000);
    const screen = await new Screen().watch();
    server.override = (call) => (call.body.includes('pause_before_installing') ? { status: 409 } : undefined);
    await screen.call('Defer', 3600);
    offer();
    await screen.until('idle');
    expect(device.calls()).toEqual(['ProvidePayloadFileSizes', 'Download', 'Cleanup']);
    expect(((await screen.get('LastResult')) as string[])[4]).toBe('aborted by the server');
  });

  it('a bus that restarts finds the service again', async () => {
    await start();
    await bus[Symbol.asyncDispose]();
    await log.until('D-Bus is gone, reconnecting', update1.name);
    bus = await RigBus.open(device.root);
    log.lines.length = 0;
    await log.until('D-Bus service ready', update1.name);
    const screen = await new Screen().watch();
    offer();
    await screen.until('idle');
    expect(await screen.get('InstalledArtifact')).toBe('release-2');
  });

  it('a configuration that cannot be used is told on the bus, in the inventory and in the log', async () => {
    loadConfig(device.places, {}, log, true);
    device.write(paths.config(device.places), '{"ServerURL": ');
    await start();
    expect(await new Screen().get('ConfigurationError')).toContain('mender.conf is no JSON');
    expect(server.inventories.at(-1)?.find(({ name }) => name === 'configuration_error')?.value).toContain(
      'is no JSON',
    );
    expect(log.text()).toContain('configuration unusable, the last good one is used');
  });

  it('a name that is refused costs that name only', async () => {
    const other = dbus.sessionBus({ busAddress: bus.address });
    peers.push(other);
    await other.requestName(update1.name, 4);
    client = runClient(device.options(log), stop.signal);
    await log.until('D-Bus service ready', authentication.name);
    expect((await log.until('no D-Bus service, updating goes on', update1.name)).fields['error']).toContain('is taken');
  });
});

describe('a deferral over restarts', () => {
  const spawnClient = () => {
    const child = device.spawn(['--log-level', 'debug', 'daemon'], { DBUS_SYSTEM_BUS_ADDRESS: bus.address });
    children.push(child);
    child.stdout?.resume();
    const said: string[] = [];
    const lines = createInterface(child.stderr!);
    lines.on('line', (line) => said.push(line));
    const until = async (words: string) => {
      while (!said.some((line) => line.includes(words))) await once(lines, 'line');
    };
    return { child, until };
  };
  const killed = async (child: ChildProcess) => {
    const gone = once(child, 'exit');
    child.kill('SIGKILL');
    await gone;
  };
  const downloads = () => server.calls.filter((call) => call.path === '/artifact').length;

  it('a client that is killed while the update waits goes on waiting, and downloads nothing again', async () => {
    server.deployment = { id: 'd1', artifact: makeArtifact() };
    device.journal.write((record) => ({
      ...record,
      deferral: { until: Math.ceil(Date.now() / 1000) + 900, seconds: 900 },
    }));
    const first = spawnClient();
    await first.until('update waits before install');
    await killed(first.child);
    const { until } = spawnClient();
    await until(`"name":"${update1.name}"`);
    const screen = await new Screen().watch();
    expect(await screen.get('State')).toBe('waiting-to-install');
    expect(Number(await screen.get('DeferredUntil'))).toBeGreaterThan(Date.now() / 1000 + 800);
    await screen.call('Proceed');
    expect(await server.ended()).toBe('success');
    expect(downloads()).toBe(1);
    expect(device.calls().filter((call) => call === 'ArtifactInstall')).toHaveLength(1);
  });

  it('the limit counts over restarts, and a clock that was set back buys no time', () => {
    const limits = { DeferLimitSeconds: 600 };
    device.write(paths.config(device.places), JSON.stringify(limits));
    const future = Math.ceil(Date.now() / 1000) + 10_000_000;
    device.journal.write((record) => ({ ...record, deferral: { until: future, seconds: 300 } }));
    const { holds } = clientParts(device.options(log, 1000));
    expect(holds.until).toBeLessThanOrEqual(Math.ceil(Date.now() / 1000) + 300);
    expect(holds.until).toBeGreaterThan(Date.now() / 1000 + 290);
  });

  it.each([
    ['Automatic', ['ArtifactVerifyReboot']],
    ['Yes', ['ArtifactReboot', 'ArtifactVerifyReboot']],
  ])(
    'a machine that restarts while the update waits for its reboot (%s) goes on after it',
    async (needsReboot, calls) => {
      await start(1000);
      const screen = await new Screen().watch();
      await screen.call('Defer', 900);
      offer({ needsReboot });
      await screen.until('waiting-to-install');
      await screen.call('Proceed');
      await screen.call('Defer', 900);
      await screen.until('waiting-to-reboot');
      stop.abort();
      await client;
      const before = device.calls().length;
      const store = paths.journal(device.places);
      const stored = readFileSync(store, 'utf8');
      const [boot, until] = [/"Boot":"[^"]+"/, /"until":\d+/];
      expect(stored).toMatch(boot);
      expect(stored).toMatch(until);
      writeFileSync(store, stored.replace(boot, '"Boot":"another"').replace(until, '"until":1'));
      stop = new AbortController();
      client = runClient(device.options(log, 1000), stop.signal);
      expect(await server.ended()).toBe('success');
      await log.until('deployment ended: success');
      expect(device.calls().slice(before, before + calls.length + 1)).toEqual([...calls, 'ArtifactCommit']);
    },
  );
});

describe('what ships beside it', () => {
  it('the interface file is the interface', () => {
    expect(readFileSync(join(packaging, 'dbus', 'io.patchbay.Update1.xml'), 'utf8')).toBe(update1Xml());
  });

  it('dbus-send reads and defers', async () => {
    await start();
    const address = bus.address;
    const send = ['--print-reply', `--bus=${address}`, `--dest=${update1.name}`, update1.path];
    const got = await run('dbus-send', [
      ...send,
      'org.freedesktop.DBus.Properties.Get',
      `string:${update1.interface}`,
      'string:State',
    ]);
    expect(got.stdout).toContain('string "idle"');
    await run('dbus-send', [...send, `${update1.interface}.Defer`, 'uint32:60']);
    expect(device.record().deferral?.seconds).toBe(60);
  });

  itWhere('gdbus defers, and shows all that there is', missing('gdbus', 'libglib2.0-bin'), async () => {
    await start();
    const address = bus.address;
    const at = ['call', '--address', address, '--dest', update1.name, '--object-path', update1.path];
    const { stdout } = await run('gdbus', [...at, '--method', `${update1.interface}.Defer`, '90']);
    expect(stdout).toMatch(/^\(uint32 \d+,\)/);
    const shown = await run('gdbus', [
      'introspect',
      '--address',
      address,
      '--dest',
      update1.name,
      '--object-path',
      update1.path,
    ]);
    for (const member of [...Object.keys(update1.methods), ...Object.keys(update1.properties), 'StateChanged'])
      expect(shown.stdout).toContain(member);
  });

  itWhere('the example in shell defers by day, and proceeds at night', missing('busctl', 'systemd'), async () => {
    await start();
    const script = join(packaging, 'examples', 'update-window.sh');
    const env = { ...process.env, BUSCTL_OPTIONS: `--address=${bus.address}` };
    expect((await run(script, ['12'], { env })).stdout).toMatch(
      /^state idle, progress 0 %\ndeferred until \d\d:\d\d\n$/,
    );
    expect(device.record().deferral?.seconds).toBe(1200);
    await run(script, ['23'], { env });
    expect(device.record().deferral).toBeUndefined();
  });

  itWhere('the commands of the guide in shell do what it says', missing('busctl', 'systemd'), async () => {
    await start();
    const env = { ...process.env, DBUS_SYSTEM_BUS_ADDRESS: bus.address };
    const [get = '', defer = '', monitor = ''] = block('sh').split('\n');
    expect((await run('sh', ['-c', get], { env })).stdout).toBe('s "idle"\n');
    expect((await run('sh', ['-c', defer], { env })).stdout).toMatch(/^u \d+\n$/);
    expect(device.record().deferral?.seconds).toBe(3600);
    expect(monitor).toMatch(/^busctl monitor /);
  });

  itWhere(
    'the lines of the guide in Python hold an update, hear that it waits, and let it go on',
    noPython,
    async () => {
      await start(1000);
      const env = { ...process.env, DBUS_SYSTEM_BUS_ADDRESS: bus.address };
      const child = spawn(python, ['-c', block('python')], { env, stdio: ['ignore', 'pipe', 'inherit'] });
      children.push(child);
      const states: string[] = [];
      const lines = createInterface(child.stdout);
      lines.on('line', (line) => states.push(line));
      while (!device.record().deferral) await log.until('update deferred');
      offer();
      while (states.at(-1) !== 'idle') await once(lines, 'line');
      expect(states).toEqual(['downloading', 'waiting-to-install', 'installing', 'committing', 'finishing', 'idle']);
    },
  );

  itWhere('the example in Python asks before the install and before the restart', noPython, async () => {
    await start();
    const env = { ...process.env, DBUS_SYSTEM_BUS_ADDRESS: bus.address };
    const child = spawn(python, [join(packaging, 'examples', 'ask-before-update.py')], { env });
    children.push(child);
    let [output, wake] = ['', () => {}];
    for (const stream of [child.stdout, child.stderr])
      stream.on('data', (text: Buffer) => {
        output += text.toString();
        wake();
      });
    const says = async (words: string) => {
      while (!output.includes(words)) {
        if (child.exitCode !== null) throw new Error(output);
        await new Promise<void>((resolve) => (wake = resolve));
      }
    };
    await says('watching');
    offer({ needsReboot: 'Yes' });
    await says('Install release-2?');
    child.stdin.write('now\n');
    await says('Restart for release-2?');
    child.stdin.write('now\n');
    await says('release-2: success');
  });
});
