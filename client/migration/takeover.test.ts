import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { firstStart } from '../first-start.ts';
import { makeArtifact } from '../rig/artifact.ts';
import { RigDevice } from '../rig/device.ts';
import { RigLog } from '../rig/log.ts';
import { paths } from '../places.ts';
import { continueWith } from '../standalone/commands.ts';
import { resumption } from '../update/table.ts';
import { readLmdb } from './lmdb.ts';
import { recordOf } from './takeover.ts';

// Written by the real mender 3.4.0: an artifact installed and committed, and a second one that waits for its commit.
const fixture = (name: string) => join('client', 'migration', 'fixtures', `mender-3.4-${name}.mdb`);
const signal = new AbortController().signal;

let device: RigDevice;
let log: RigLog;
beforeEach(() => {
  device = new RigDevice({});
  log = new RigLog();
});
afterEach(() => device[Symbol.dispose]());

const start = () => firstStart(device.places, device.journal, log);
function former(name: string): void {
  device.write(join(device.places.store, 'mender-store'), readFileSync(fixture(name)));
}

describe('a device that ran mender 3.4', () => {
  it('keeps name and provides, and its old store stays as it is', async () => {
    former('committed');
    await start();
    expect(device.record()).toEqual({ version: 1, artifactName: 'one', provides: { 'data.version': 'one' } });
    expect(readFileSync(join(device.places.store, 'mender-store'))).toEqual(readFileSync(fixture('committed')));
    device.installed('later');
    await start();
    expect(device.record().artifactName).toBe('later');
  });

  it('with a pending commit can commit it, or go back', async () => {
    for (const [command, name] of [
      ['commit', 'two'],
      ['rollback', 'one'],
    ] as const) {
      using other = new RigDevice({});
      other.write(join(other.places.store, 'mender-store'), readFileSync(fixture('pending')));
      other.module({}, 'single-file');
      other.write(join(paths.tree(other.places), 'version'), '3\n');
      expect(await continueWith(command, { client: other.options(), say: () => undefined }, signal)).toBe(0);
      expect(other.record()).toEqual({ version: 1, artifactName: name, provides: { 'data.version': name } });
      expect(other.calls()).toContain(command === 'commit' ? 'ArtifactCommit' : 'ArtifactRollback');
    }
  });

  it('that never was updated has the name of its artifact_info', async () => {
    device.write(join(device.places.conf, 'artifact_info'), 'artifact_name=flashed\n');
    await start();
    expect(device.record().artifactName).toBe('flashed');
  });

  it('with a store that cannot be read is told so, and takes what else there is', async () => {
    device.write(join(device.places.store, 'mender-store'), 'no database');
    device.write(paths.bootstrap(device.places), makeArtifact({ type: null, name: 'image' }));
    await start();
    expect(log.text()).toContain('cannot be read');
    expect(device.record().artifactName).toBe('image');
  });
});

describe('UC-78 a deployment that another client has under way', () => {
  const Artifact = { artifact_name: 'two', device_types_compatible: ['rig'], Source: { URI: 'http://x' } };
  const taken = (entries: Readonly<Record<string, unknown>>) => {
    const text = Object.entries(entries).map(([key, value]) => [key, Buffer.from(JSON.stringify(value))] as const);
    return recordOf(new Map(text), log).deployment;
  };
  const state = (Version: number, Name: string) => ({ Version, Name, UpdateInfo: { ID: 'd', Artifact } });

  it('is one of a root file system where the client is that old', () => {
    expect(taken({ state: state(1, 'reboot') })).toMatchObject({
      Version: 2,
      Name: 'reboot',
      UpdateInfo: {
        ID: 'd',
        Artifact: { artifact_name: 'two', PayloadTypes: ['rootfs-image'] },
        RebootRequested: ['reboot-type-custom'],
        SupportsRollback: 'rollback-supported',
      },
    });
  });

  it('is found beside one of a form that nobody knows', () => {
    const entries = { state: state(7, 'reboot'), 'state-uncommitted': state(2, 'update-commit') };
    expect(taken(entries)).toMatchObject({ Version: 2, Name: 'update-commit' });
    expect(taken({ state: state(7, 'reboot') })).toBeUndefined();
    expect(log.text()).toContain('is not understood');
  });

  it('goes back where somebody held it before its reboot, and on where nobody did', () => {
    const held = taken({ state: state(2, 'reboot'), 'update-control-maps': [{ id: 'm', priority: 1 }] });
    expect(resumption(held!.Name)).toEqual({ state: 'checkRollback', verdict: 'failed' });
    const free = taken({ state: state(2, 'reboot'), 'update-control-maps': [] });
    expect(resumption(free!.Name).state).toBe('verifyReboot');
  });
});

describe('the reader of LMDB files', () => {
  it('finds all keys', () => {
    const keys = [...readLmdb(readFileSync(fixture('pending'))).keys()].sort();
    expect(keys).toEqual(['artifact-name', 'artifact-provides', 'standalone-state']);
  });

  it('reads a damaged file to an end: some values or an error, never a hang or a crash', () => {
    const whole = readFileSync(fixture('pending'));
    for (let length = 0; length < whole.length; length += 509) harmless(whole.subarray(0, length));
    for (let at = 0; at < whole.length; at += 3) {
      const spoilt = Buffer.from(whole);
      spoilt[at] = (spoilt[at] ?? 0) ^ 0xff;
      harmless(spoilt);
    }
  });
});

function harmless(bytes: Buffer): void {
  try {
    readLmdb(bytes);
  } catch (error) {
    expect(error).toMatchObject({ code: 'lmdb' });
  }
}
