import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { paths } from '../places.ts';
import { artifactGroups, course } from '../rig/course.ts';
import type { RigDevice } from '../rig/device.ts';

process.env['DBUS_SYSTEM_BUS_ADDRESS'] = 'unix:path=/nonexistent/bus';

// What a start finds after a power cut, and where it goes on. That the power may go anywhere is `power-cut.slow.ts`.

const group = (state: string, ...inner: string[]) => [`Artifact${state}_Enter`, ...inner, `Artifact${state}_Leave`];
const failure = [...group('Failure', 'ArtifactFailure'), 'Cleanup'];
const rollback = [...group('Rollback', 'ArtifactRollback'), 'NeedsArtifactReboot'];
const back = [
  ...rollback,
  ...group('RollbackReboot', 'ArtifactRollbackReboot', 'ArtifactVerifyRollbackReboot'),
  ...failure,
];
const commit = [...group('Commit', 'ArtifactCommit'), 'Cleanup'];

/** As it is while an update of the rig is under way, in the state `name`. */
function underWay(device: RigDevice, name: string, info: object = {}): void {
  mkdirSync(join(paths.tree(device.places), 'tmp'), { recursive: true });
  for (const each of artifactGroups)
    device.write(join(paths.artifactScripts(device.places), `${each}_01`), device.script(each), 0o755);
  device.journal.write((record) => ({
    ...record,
    deployment: {
      Version: 2,
      Name: name,
      UpdateInfo: {
        ID: 'd1',
        Artifact: {
          artifact_name: 'release-2',
          artifact_group: '',
          device_types_compatible: ['rig'],
          PayloadTypes: ['recorder'],
        },
        RebootRequested: ['reboot-type-custom'],
        SupportsRollback: 'rollback-supported',
        StateDataStoreCount: 3,
        AllRollbacksSuccessful: false,
        ...info,
      },
    },
  }));
}

describe('the power went', () => {
  it.each<[string, string, readonly string[], string, string, object?]>([
    ['UC-67 in the download', 'update-store', ['Cleanup'], 'release-1', 'failure'],
    ['UC-68 in ArtifactInstall', 'update-install', ['SupportsRollback', ...back], 'release-1', 'failure'],
    [
      'UC-69 in ArtifactReboot',
      'reboot',
      ['ArtifactVerifyReboot', 'ArtifactReboot_Leave', ...commit],
      'release-2',
      'success',
    ],
    [
      'UC-78 in a reboot that update control held, under Go 3.x',
      'reboot-held',
      ['ArtifactReboot_Error', 'SupportsRollback', ...back],
      'release-1',
      'failure',
    ],
    ['UC-70 in ArtifactVerifyReboot', 'after-reboot', ['SupportsRollback', ...back], 'release-1', 'failure'],
    ['UC-71 in ArtifactCommit', 'update-commit', ['SupportsRollback', ...back], 'release-1', 'failure'],
    [
      'UC-71 in ArtifactCommit_Leave',
      'update-after-commit',
      ['ArtifactCommit_Leave', 'Cleanup'],
      'release-2',
      'success',
    ],
    [
      'UC-78 in ArtifactCommit_Leave, under Go 3.x',
      'update-after-first-commit',
      ['ArtifactCommit_Leave', 'Cleanup'],
      'release-2',
      'success',
    ],
    [
      'UC-78 in the verification of a rollback, under Go 3.x',
      'verify-rollback-reboot',
      back.slice(back.indexOf('ArtifactVerifyRollbackReboot')),
      'release-1',
      'failure',
    ],
    ['UC-72 in ArtifactRollback', 'rollback', back, 'release-1', 'failure'],
    [
      'UC-73 in ArtifactRollbackReboot',
      'rollback-reboot',
      back.slice(back.indexOf('ArtifactVerifyRollbackReboot')),
      'release-1',
      'failure',
    ],
    [
      'UC-73 in its verification',
      'after-rollback-reboot',
      back.slice(back.indexOf('ArtifactVerifyRollbackReboot')),
      'release-1',
      'failure',
    ],
    ['UC-74 in ArtifactFailure', 'update-error', failure, 'release-2_INCONSISTENT', 'failure'],
    [
      'UC-74 in ArtifactFailure after a good rollback',
      'update-error',
      failure,
      'release-1',
      'failure',
      { AllRollbacksSuccessful: true },
    ],
    ['UC-75 in Cleanup', 'cleanup', ['Cleanup'], 'release-1', 'failure', { AllRollbacksSuccessful: true }],
  ])('%s', async (_, name, calls, artifactName, report, info) => {
    const end = await course({
      module: { needsReboot: 'Yes' },
      prepare: (device, server) => {
        server.deployment = undefined; // nothing new is offered: what is stored is carried on
        underWay(device, name, info);
      },
    });
    expect(end.calls).toEqual(calls);
    expect(end.name).toBe(artifactName);
    expect(end.reports.at(-1)).toBe(report);
  });

  it('UC-79 an abort while the update waits for its reboot: it goes back, and no script of the reboot runs', async () => {
    const end = await course({
      module: { needsReboot: 'Yes' },
      answer: ({ body }) => (body.includes('pause_before_rebooting') ? { status: 409 } : undefined),
      prepare: (device, server) => {
        server.deployment = undefined;
        underWay(device, 'hold-reboot');
        const until = Math.ceil(Date.now() / 1000) + 900;
        device.journal.write((record) => ({ ...record, deferral: { until, seconds: 900 } }));
      },
    });
    // Its Enter scripts have not run, so there is nothing for its Error scripts to undo (§2.1, report `rebooting`).
    expect(end.calls).toEqual(['SupportsRollback', ...back]);
    expect([end.name, end.reports.at(-1)]).toEqual(['release-1', 'failure']);
  });

  it('UC-43 a module finds in tmp/ what it put there before the reboot', async () => {
    const end = await course({
      module: {
        needsReboot: 'Yes',
        extra: `case "$1" in
  ArtifactVerifyReboot) cat tmp/kept ;;
esac`,
      },
      prepare: (device, server) => {
        server.deployment = undefined;
        underWay(device, 'reboot');
        device.write(join(paths.tree(device.places), 'tmp', 'kept'), 'of before the reboot\n');
      },
    });
    expect(end.name).toBe('release-2');
    expect(end.log).toContain('of before the reboot');
  });
});

describe('UC-47 every group of state scripts runs in its place', () => {
  const install = [
    'Download_Enter',
    'ProvidePayloadFileSizes',
    'Download',
    'Download_Leave',
    ...group('Install', 'ArtifactInstall'),
    'NeedsArtifactReboot',
  ];
  const reboot = group('Reboot', 'ArtifactReboot', 'ArtifactVerifyReboot');

  it('in a good update with a reboot', async () => {
    const end = await course({ module: { needsReboot: 'Yes' } });
    expect(end.calls).toEqual([...install, ...reboot, ...commit]);
  });

  it('in one that is rolled back at its last step', async () => {
    const end = await course({ module: { needsReboot: 'Yes', fails: ['ArtifactCommit'] } });
    const failed = ['ArtifactCommit_Enter', 'ArtifactCommit', 'ArtifactCommit_Error', 'SupportsRollback'];
    expect(end.calls).toEqual([...install, ...reboot, ...failed, ...back]);
  });

  it('in one whose module cannot go back', async () => {
    const end = await course({ module: { supportsRollback: 'No', fails: ['ArtifactInstall'] } });
    const failed = ['ArtifactInstall_Enter', 'ArtifactInstall', 'ArtifactInstall_Error', 'SupportsRollback'];
    expect(end.calls).toEqual([...install.slice(0, 4), ...failed, ...failure]);
    expect(end.name).toBe('release-2_INCONSISTENT');
  });
});
