import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { firstStart } from '../first-start.ts';
import { makeArtifact } from '../rig/artifact.ts';
import { RigDevice } from '../rig/device.ts';
import { RigLog } from '../rig/log.ts';
import { paths } from '../places.ts';
import { continueWith } from '../standalone/commands.ts';
import { course } from '../rig/course.ts';
import { resumed } from '../update/deployment.ts';
import { resumption } from '../update/table.ts';
import { recordOf } from './former-record.ts';
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
    const taken = { version: 1, artifactName: 'one', provides: { 'data.version': 'one' } };
    expect(device.record()).toEqual({ ...taken, takenOver: expect.any(String) });
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
      expect(other.record()).toMatchObject({ version: 1, artifactName: name, provides: { 'data.version': name } });
      expect(other.record().standalone).toBeUndefined();
      expect(other.calls()).toContain(command === 'commit' ? 'ArtifactCommit' : 'ArtifactRollback');
    }
  });

  it('is taken over anew once that client has changed its store, as between two trials of an image of ours', async () => {
    former('committed');
    await start();
    device.journal.write((record) => ({ ...record, artifactName: 'ours', provides: { left: 'over' } }));
    await start();
    expect(device.record().artifactName).toBe('ours');
    former('pending');
    await start();
    expect(device.record()).toMatchObject({ artifactName: 'one', provides: { 'data.version': 'one' } });
    expect(device.record().standalone?.ArtifactName).toBe('two');
  });

  it('is not taken back to what that client knew when our own store is damaged', async () => {
    former('pending');
    await start();
    device.write(paths.journal(device.places), '{"version":');
    await start();
    expect(device.record()).toEqual({ version: 1, provides: {} });
    await start();
    expect(device.record()).toEqual({ version: 1, provides: {} });
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
    expect(resumption(held!.Name)).toEqual({ state: 'rebootGivenUp', verdict: 'failed' });
    const free = taken({ state: state(2, 'reboot'), 'update-control-maps': [] });
    expect(resumption(free!.Name).state).toBe('verifyReboot');
  });
});

describe('UC-78 a deployment that mender 3.4 was killed in', () => {
  // What its database said then, but for its tokens; `test/mender-takeover.slow.ts` makes such databases.
  const file = join('client', 'migration', 'fixtures', 'mender-3.4-under-way.json');
  const stores = JSON.parse(readFileSync(file, 'utf8')) as Record<string, Record<string, string>>;
  const recordAt = (moment: string) =>
    recordOf(new Map(Object.entries(stores[moment] ?? {}).map(([key, text]) => [key, Buffer.from(text)])), log);

  it.each([
    ['in the download', 'cleanup', 'rolledBack'],
    ['after the download', 'cleanup', 'rolledBack'],
    ['in the install', 'checkRollback', 'failed'],
    ['in the reboot', 'verifyReboot', 'clean'],
    ['in the verification', 'checkRollback', 'failed'],
    ['in the commit', 'checkRollback', 'failed'],
    ['after the commit', 'afterCommit', 'clean'],
    ['in the cleanup, updated', 'cleanup', 'clean'],
    ['in the report, updated', 'cleanup', 'clean'],
    ['in the rollback', 'rollback', 'rolledBack'],
    ['in the reboot of the rollback', 'verifyRollbackReboot', 'rolledBack'],
    ['in the verification of the rollback', 'verifyRollbackReboot', 'rolledBack'],
    ['in the failure, rolled back', 'failure', 'rolledBack'],
    ['in the cleanup, rolled back', 'cleanup', 'rolledBack'],
    ['in the report, rolled back', 'cleanup', 'rolledBack'],
    ['in the failure, no rollback', 'failure', 'failed'],
    ['in the cleanup, no rollback', 'cleanup', 'failed'],
    ['in the report, no rollback', 'cleanup', 'failed'],
    ['in the failure, rollback failed', 'failure', 'failed'],
  ])('%s goes on at %s, as %s', (moment, state, verdict) => {
    const { deployment, at } = resumed(recordAt(moment).deployment!);
    expect([at.state, deployment.outcome.verdict]).toEqual([state, verdict]);
    expect(deployment).toMatchObject({ id: 'd1', stores: 0, artifact: { artifact_name: 'release-2' } });
  });

  it('before the download is left to the server to offer again', () => {
    expect(recordAt('before the download')).toEqual({});
  });

  it.each([
    ['after the download', ['Cleanup'], 'release-1', 'failure'],
    ['in the report, updated', [], 'release-2', 'success'],
    ['in the report, no rollback', [], 'release-2_INCONSISTENT', 'failure'],
  ])('%s ends with its name and its report', async (moment, calls, name, report) => {
    const end = await course({
      prepare: (device, server) => {
        server.deployment = undefined;
        if (calls.length > 0) device.write(join(paths.tree(device.places), 'version'), '3\n');
        device.journal.write((record) => ({ ...record, ...recordAt(moment) }));
      },
    });
    expect(end.calls).toEqual(calls);
    expect([end.name, end.reports.at(-1)]).toEqual([name, report]);
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
