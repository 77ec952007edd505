import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { ChildProcess } from 'node:child_process';
import type { Readable } from 'node:stream';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { devicePaths } from '#proto/http/device';
import { paths } from './places.ts';
import { RigDevice } from './rig/device.ts';
import { ScriptedServer } from './rig/server.ts';
import { version } from './version.ts';

let server: ScriptedServer;
let device: RigDevice;
let daemon: ChildProcess | undefined;
beforeEach(async () => {
  server = await ScriptedServer.open();
  device = new RigDevice({ ServerURL: server.url });
  daemon = undefined;
});
afterEach(async () => {
  if (daemon && daemon.exitCode === null && daemon.signalCode === null) {
    daemon.kill('SIGKILL');
    await once(daemon, 'exit');
  }
  server.close();
  device[Symbol.dispose]();
});

const isPoll = (call: { path: string }) => call.path === devicePaths.nextV2;

describe('the program', () => {
  it(
    'UC-20 check-update and send-inventory reach the daemon, which ends on SIGTERM with 0',
    { timeout: 180_000 },
    async () => {
      daemon = device.spawn(['daemon']);
      daemon.stderr?.resume();
      await server.called(isPoll);
      const second = server.called(isPoll, true);
      expect(await device.command('check-update')).toMatchObject({ code: 0, stdout: '', stderr: '' });
      await second;
      device.installed('other');
      const inventory = server.called((call) => call.path === devicePaths.attributes, true);
      expect(await device.command('send-inventory')).toMatchObject({ code: 0 });
      await inventory;
      const again = await device.command('daemon');
      expect(again.code).toBe(1);
      expect(again.stderr).toContain('an update client runs on this store already');
      const exited = once(daemon, 'exit');
      daemon.kill('SIGTERM');
      expect(await exited).toEqual([0, null]);
      expect(await device.command('check-update')).toMatchObject({
        code: 1,
        stderr: 'Could not fulfill request: the update client is not running: start its daemon\n',
      });
    },
  );

  it('a process file that a power cut left does not keep the daemon from starting', { timeout: 60_000 }, async () => {
    device.write(paths.process(device.places), `${process.pid} some-other-boot:1\n`);
    daemon = device.spawn(['daemon']);
    daemon.stderr?.resume();
    await server.called(isPoll);
  });

  it('what it cannot use is said in one line', { timeout: 180_000 }, async () => {
    device.write(paths.config(device.places), JSON.stringify({ ServerURL: server.url, Servers: [] }));
    expect(await device.command('daemon')).toMatchObject({
      code: 1,
      stderr: 'Could not fulfill request: both Servers and ServerURL are set: keep one\n',
    });
    device.write(paths.config(device.places), '{}');
    const full = await device.command('-d', '/dev/null', 'daemon');
    expect(full.code).toBe(1);
    expect(full.stderr.trim().split('\n').at(-1)).toMatch(/^Could not fulfill request: .*\/dev\/null/);
    expect((await device.command('--log-level', 'loud', 'daemon')).stderr).toContain('no log level: loud');
  });

  it('UC-5 bootstrap makes the key; a refusal is no failure', { timeout: 120_000 }, async () => {
    server.accepted = false;
    expect(await device.command('bootstrap')).toMatchObject({ code: 0 });
    const key = readFileSync(paths.key(device.places), 'utf8');
    expect(server.calls.map((call) => call.path)).toEqual([devicePaths.authRequest]);
    expect(await device.command('bootstrap', '-F')).toMatchObject({ code: 0 });
    expect(readFileSync(paths.key(device.places), 'utf8')).not.toBe(key);
  });

  it('scripts find the places in their environment, were they told by options', async () => {
    device.write(paths.identity(device.places), `#!/bin/sh\nenv >'${device.root}/env'\necho mac=1\n`, 0o755);
    const elsewhere = join(device.root, 'elsewhere');
    device.write(join(elsewhere, 'mender.conf'), JSON.stringify({ ServerURL: server.url }));
    expect(await device.command('--conf-dir', elsewhere, 'bootstrap')).toMatchObject({ code: 0 });
    const env = readFileSync(join(device.root, 'env'), 'utf8').split('\n');
    const { share, store } = device.places;
    for (const line of [`MENDER_CONF_DIR=${elsewhere}`, `MENDER_DATA_DIR=${share}`, `MENDER_DATASTORE_DIR=${store}`])
      expect(env).toContain(line);
  });

  it('a log line is one JSON object, without the token', { timeout: 60_000 }, async () => {
    daemon = device.spawn(['--log-level', 'debug', 'daemon']);
    const lines: string[] = [];
    createInterface(daemon.stderr as Readable).on('line', (line) => lines.push(line));
    await server.called(isPoll);
    const exited = once(daemon, 'close');
    daemon.kill('SIGTERM');
    await exited;
    expect(lines.map((line) => (JSON.parse(line) as { msg: string }).msg)).toContain('authenticated');
    expect(lines.join('\n')).not.toContain('token-1');
  });

  it('its version is the package', () => {
    const { version: packaged } = JSON.parse(readFileSync('package.json', 'utf8')) as { version: string };
    expect(version).toBe(packaged);
  });
});
