import { spawnSync, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, readFileSync } from 'node:fs';
import https from 'node:https';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { silentLog } from '#base/log';
import { devicePaths } from '#proto/http/device';
import { loadConfig } from './config.ts';
import { paths } from './places.ts';
import { makeArtifact } from './rig/artifact.ts';
import type { RigDevice } from './rig/device.ts';
import { RigRun } from './rig/run.ts';
import type { Call, Scripted, ScriptedServer } from './rig/server.ts';
import { describeWhere, mountsMissing } from '#base/where.testing';
import { Transport } from './transport.ts';

let rig: RigRun;
let server: ScriptedServer;
let device: RigDevice;
beforeEach(async () => {
  rig = await RigRun.open();
  ({ server, device } = rig);
});
afterEach(() => rig[Symbol.asyncDispose]());

const endless = 'x'.repeat(3 * 1024 * 1024);
const circle = (call: Call): Scripted => ({ status: 302, headers: { Location: `${server.url}${call.path}` } });
const garbage: readonly [what: string, answer: (call: Call) => Scripted][] = [
  ['a page of a captive portal', () => ({ status: 200, body: '<html>log in\r\nfirst</html>' })],
  ['bytes that are no text', () => ({ status: 200, body: '\u0000\u0001\ufffd{' })],
  ['an empty answer', () => ({ status: 200, body: '' })],
  ['more than it should ever send', () => ({ status: 200, body: endless })],
  ['redirects in circles', circle],
  ['404 to everything', () => ({ status: 404, body: 'not found' })],
  ['an error to everything', () => ({ status: 500, body: 'oops' })],
  ['a status that nobody knows', () => ({ status: 299, body: '{"id":7,"artifact":[]}' })],
];

describe('a server that talks nonsense', () => {
  it.each(garbage)(
    '%s: the daemon lives, installs nothing, and goes on when it comes to its senses',
    async (_, answer) => {
      let tries = 0;
      server.override = (call) => {
        tries += 1;
        if (tries > 4) server.override = undefined;
        return answer(call);
      };
      server.deployment = { id: 'd1', artifact: makeArtifact() };
      rig.start();
      while (server.override) {
        rig.nudges.check();
        await server.called(() => true, true);
      }
      expect(device.calls()).toEqual([]);
      rig.nudges.check();
      expect(await server.ended()).toBe('success');
      // It asked where it should ask, whatever it was sent to.
      const known = Object.values(devicePaths).map((path) => (typeof path === 'string' ? path : path('d1')));
      expect(server.calls.every((call) => call.path === '/artifact' || known.includes(call.path.split('?')[0]!))).toBe(
        true,
      );
    },
  );
});

describe('a clock that is wrong', () => {
  it.each([
    ['19700101000000Z', '19710101000000Z', 'certificate has expired'],
    ['20990101000000Z', '20991231000000Z', 'certificate is not yet valid'],
  ])('a certificate from %s to %s: %s, and what the clock says', async (from, to, reason) => {
    const folder = join(device.root, 'ca');
    mkdirSync(folder);
    device.write(join(folder, 'index.txt'), '');
    device.write(
      join(folder, 'ca.conf'),
      `[ca]\ndefault_ca=c\n[c]\ndatabase=index.txt\nnew_certs_dir=.\nrand_serial=yes\npolicy=p\ndefault_md=sha256\nx509_extensions=x\nunique_subject=no\n[p]\ncommonName=supplied\n[x]\nsubjectAltName=DNS:localhost\n`,
    );
    const openssl = (...args: string[]) => {
      const { status, stderr } = spawnSync('openssl', args, { cwd: folder, encoding: 'utf8' });
      if (status !== 0) throw new Error(stderr);
    };
    openssl(
      'req',
      '-new',
      '-newkey',
      'ec',
      '-pkeyopt',
      'ec_paramgen_curve:P-256',
      '-nodes',
      '-keyout',
      'key',
      '-out',
      'csr',
      '-subj',
      '/CN=localhost',
    );
    openssl(
      'ca',
      '-config',
      'ca.conf',
      '-selfsign',
      '-keyfile',
      'key',
      '-in',
      'csr',
      '-out',
      'crt',
      '-batch',
      '-notext',
      '-startdate',
      from,
      '-enddate',
      to,
    );
    const tls = https.createServer({ key: readFileSync(join(folder, 'key')), cert: readFileSync(join(folder, 'crt')) });
    tls.listen(0, 'localhost');
    await once(tls, 'listening');
    device.write(paths.config(device.places), JSON.stringify({ ServerCertificate: join(folder, 'crt') }));
    const transport = new Transport(loadConfig(device.places, {}, silentLog), {}, silentLog);
    const url = `https://localhost:${(tls.address() as AddressInfo).port}/`;
    const year = new Date().getUTCFullYear();
    try {
      await expect(transport.request(url)).rejects.toThrow(
        new RegExp(`${reason} \\(this device's clock says ${year}-`),
      );
    } finally {
      tls.close();
    }
  });
});

// Only root can mount; a mode does not stop root.
describeWhere('a data folder that cannot be written', mountsMissing(), () => {
  let child: ChildProcess | undefined;
  afterEach(async () => {
    if (!child || child.exitCode !== null || child.signalCode !== null) return;
    const gone = once(child, 'exit');
    child.kill('SIGKILL');
    await gone;
  });

  it('the daemon says so, is seen by its server, and reports that it cannot update', async () => {
    spawnSync('openssl', ['genpkey', '-algorithm', 'ed25519', '-out', paths.key(device.places)]);
    server.deployment = { id: 'd1', artifact: makeArtifact() };
    const mount = 'mount --bind "$0" "$0" && mount -o remount,bind,ro "$0" && exec "$@"';
    const inside = (command: readonly string[]) => [
      'unshare',
      '-m',
      'sh',
      '-c',
      mount,
      device.places.store,
      ...command,
    ];
    child = device.spawn(['daemon'], { PATCHBAY_TEST_SECOND_MS: '10' }, inside);
    child.stdout?.resume();
    const said: string[] = [];
    createInterface(child.stderr!).on('line', (line) => said.push(line));
    expect(await server.ended()).toBe('failure');
    expect(server.inventories.length).toBeGreaterThan(0);
    expect(said.find((line) => line.includes('store cannot be written'))).toContain('EROFS');
    expect(device.calls()).not.toContain('ArtifactInstall');
    expect(child.exitCode).toBeNull();
  });
});
