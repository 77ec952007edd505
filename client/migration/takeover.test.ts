import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { firstStart } from '../first-start.ts';
import { makeArtifact } from '../rig/artifact.ts';
import { RigDevice } from '../rig/device.ts';
import { RigLog } from '../rig/log.ts';
import { paths } from '../places.ts';
import { continueWith } from '../standalone/commands.ts';
import { readLmdb } from './lmdb.ts';

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
