import { spawnSync } from 'node:child_process';
import { mkdirSync, writeFileSync } from 'node:fs';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { paths } from '../places.ts';
import { makeArtifact } from '../rig/artifact.ts';
import type { RigDevice } from '../rig/device.ts';
import { isFinal, isPoll, RigRun } from '../rig/run.ts';
import type { ScriptedServer, Call } from '../rig/server.ts';
import { describeWhere, mountsMissing } from '#base/where.testing';

// What goes wrong around an update and must neither end the daemon nor keep it busy.

let rig: RigRun;
let server: ScriptedServer;
let device: RigDevice;
const isDownload = (call: Call) => call.path === '/artifact';
beforeEach(async () => {
  rig = await RigRun.open();
  ({ server, device } = rig);
});
afterEach(() => rig[Symbol.asyncDispose]());

/** A good update after the trouble shows that it is over. */
async function goesOn(): Promise<void> {
  await rig.updates();
  expect(device.record().artifactName).toBe('release-2');
}

it.each([
  ['404 for ever', { status: 404 }, 'server answers 404'],
  ['a redirect to itself', { status: 302, headers: { Location: '/artifact' } }, 'server answers 302'],
])('an artifact that is %s: asked for once, failure, and the next update works', async (_, answer, words) => {
  server.deployment = { id: 'gone', artifact: makeArtifact() };
  server.override = (call) => (isDownload(call) ? answer : undefined);
  rig.start();
  await server.called(isFinal);
  expect(server.calls.filter(isDownload)).toHaveLength(1);
  expect(server.reports).toEqual(['downloading', 'failure']);
  expect(rig.log.text()).toContain(words);
  expect(device.record().artifactName).toBe('release-1');
  await goesOn();
});

it.each([
  ['no JSON', '<html>It works!</html>'],
  ['cut-off JSON', '{"id":"d","artifact":{"source":'],
  ['JSON of another kind', '[[[]]]'],
  ['an address that is none', '{"id":"d","artifact":{"source":{"uri":"file:///etc/passwd"}}}'],
  ['more than it may say', `{"id":"${'x'.repeat(3_000_000)}"}`],
])('a server that answers a poll with %s: nothing is installed, and the next update works', async (_, body) => {
  server.override = (call) => (isPoll(call) ? { status: 200, body } : undefined);
  rig.start();
  await server.called(isPoll);
  await goesOn();
  expect(server.calls.filter(isDownload)).toHaveLength(1);
});

it('a store damaged in the middle of an update: set aside, the server is told, and the next update works', async () => {
  device.module({ extra: `[ "$1" = ArtifactInstall ] && printf '{"version":' >'${paths.journal(device.places)}'` });
  server.deployment = { id: 'cut', artifact: makeArtifact() };
  rig.start();
  await rig.log.until('deployment closed');
  expect(server.reports.at(-1)).toMatch(/success|failure/);
  expect(rig.log.text()).toContain('store is damaged: set aside');
  expect(device.record().deployment).toBeUndefined();
  device.module({});
  await goesOn();
});

describeWhere('a data folder that becomes read-only', mountsMissing(), () => {
  beforeEach(() => {
    mkdirSync(device.places.store, { recursive: true });
    spawnSync('mount', ['-t', 'tmpfs', '-o', 'size=4m', 'tmpfs', device.places.store]);
    writeFileSync(paths.deviceType(device.places), 'device_type=rig\n');
    device.installed('release-1');
  });
  afterEach(() => {
    spawnSync('umount', ['-l', device.places.store]);
  });
  const remount = (how: 'ro' | 'rw') => spawnSync('mount', ['-o', `remount,${how}`, device.places.store]);

  it('nothing is installed, the server is told, and the next update works once it can be written', async () => {
    rig.start();
    await server.called(isPoll);
    expect(remount('ro').status).toBe(0);
    server.deployment = { id: 'lost', artifact: makeArtifact() };
    rig.nudges.check();
    await server.called(isFinal);
    expect(server.reports).toEqual(['downloading', 'failure']);
    expect(device.calls()).toEqual([]);
    expect(rig.log.text()).toContain('EROFS');
    expect(device.record().artifactName).toBe('release-1');
    expect(remount('rw').status).toBe(0);
    await goesOn();
  });
});
