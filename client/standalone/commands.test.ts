import { generateKeyPairSync } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { makeArtifact, type Recipe } from '../rig/artifact.ts';
import { paths } from '../places.ts';
import { RigDevice, type Behaviour } from '../rig/device.ts';
import { ScriptedServer } from '../rig/server.ts';
import { makeCurrent } from '../update/tree.ts';
import { continueWith, install, type StandaloneOptions } from './commands.ts';

let device: RigDevice;
let said: string[];
beforeEach(() => {
  device = new RigDevice({});
  device.installed('release-1', { old: '1' });
});
afterEach(() => device[Symbol.dispose]());

const signal = new AbortController().signal;
function options(more: Partial<StandaloneOptions> = {}): StandaloneOptions {
  said = [];
  return { client: device.options(), say: (line) => said.push(line), ...more };
}
function artifact(recipe: Recipe = {}): string {
  const file = join(device.root, 'update.mender');
  const groups = ['Install', 'Commit', 'Rollback', 'Failure'].flatMap((state) =>
    ['Enter', 'Leave', 'Error'].map((phase) => `Artifact${state}_${phase}`),
  );
  const scripts = Object.fromEntries(groups.map((group) => [`${group}_00`, device.script(group)]));
  device.write(file, makeArtifact({ scripts, ...recipe }));
  return file;
}
const run = (behaviour: Behaviour, recipe: Recipe = {}, more: Partial<StandaloneOptions> = {}) => {
  device.module(behaviour);
  return install(artifact(recipe), options(more), signal);
};
const go = (command: 'resume' | 'commit' | 'rollback', more: Partial<StandaloneOptions> = {}) =>
  continueWith(command, options(more), signal);

const waits = ['Installed, but not committed.', "Use 'commit' to update, or 'rollback' to roll back the update."];

describe('standalone', () => {
  it('UC-97 install waits, commit makes it final', async () => {
    expect(await run({}, { provides: { a: '1' } })).toBe(0);
    expect(said).toEqual(['Installing artifact...', ...waits]);
    expect(device.record().artifactName).toBe('release-1');
    expect(await go('commit')).toBe(0);
    expect(said).toEqual(['Committed.']);
    expect(device.record()).toMatchObject({ artifactName: 'release-2', provides: { a: '1' } });
    expect(device.record().standalone).toBeUndefined();
    expect(device.calls()).toEqual([
      'ProvidePayloadFileSizes',
      'Download',
      'ArtifactInstall_Enter',
      'ArtifactInstall',
      'ArtifactInstall_Leave',
      'NeedsArtifactReboot',
      'SupportsRollback',
      'ArtifactCommit_Enter',
      'ArtifactCommit',
      'ArtifactCommit_Leave',
      'Cleanup',
    ]);
  });

  it('UC-97 rollback by the user is no failure: old name, no failure scripts', async () => {
    await run({});
    expect(await go('rollback')).toBe(0);
    expect(said).toEqual(['Rolled back.']);
    expect(device.record()).toMatchObject({ artifactName: 'release-1', provides: { old: '1' } });
    expect(device.calls()).not.toContain('ArtifactFailure');
  });

  it('UC-97 a module without rollback commits at once', async () => {
    expect(await run({ supportsRollback: 'No' })).toBe(0);
    expect(said).toEqual([
      'Installing artifact...',
      "Update Module doesn't support rollback. Committing immediately.",
      'Installed and committed.',
    ]);
    expect(device.record().artifactName).toBe('release-2');
  });

  it('UC-97 exit code 4 only when asked for', async () => {
    const reboot = 'At least one payload requested a reboot of the device it updated.';
    expect(await run({ needsReboot: 'Yes' }, {}, { rebootExitCode: true })).toBe(4);
    expect(said.at(-1)).toBe(reboot);
    await go('rollback');
    expect(await run({ needsReboot: 'Automatic' })).toBe(0);
    expect(said.at(-1)).toBe(reboot);
  });

  it('UC-97 commit without an update: exit 2', async () => {
    for (const command of ['commit', 'rollback', 'resume'] as const) {
      expect(await go(command)).toBe(2);
      expect(said).toEqual(['No update in progress.']);
    }
  });

  it('UC-99 a second install is refused, the first unharmed', async () => {
    await run({});
    await expect(install(artifact(), options(), signal)).rejects.toThrow('Update already in progress');
    expect(await go('commit')).toBe(0);
  });

  it('UC-59 a failing install is rolled back: exit 1, old name', async () => {
    expect(await run({ fails: ['ArtifactInstall'] })).toBe(1);
    expect(said).toEqual(['Installing artifact...', 'Installation failed.', 'Rolled back.']);
    expect(device.calls().slice(3)).toEqual([
      'ArtifactInstall',
      'ArtifactInstall_Error',
      'SupportsRollback',
      'ArtifactRollback_Enter',
      'ArtifactRollback',
      'ArtifactRollback_Leave',
      'ArtifactFailure_Enter',
      'ArtifactFailure',
      'ArtifactFailure_Leave',
      'Cleanup',
    ]);
    expect(device.record().artifactName).toBe('release-1');
  });

  it('UC-59 a failing install without rollback: inconsistent', async () => {
    expect(await run({ fails: ['ArtifactInstall'], supportsRollback: 'No' })).toBe(1);
    expect(said.at(-1)).toBe('Update Module does not support rollback. System may be in an inconsistent state.');
    expect(device.record().artifactName).toBe('release-2_INCONSISTENT');
  });

  it('UC-98 stops where it is told to, and resumes', async () => {
    expect(await run({}, {}, { stopBefore: ['ArtifactInstall_Enter', 'ArtifactCommit_Leave', 'Cleanup'] })).toBe(0);
    expect(said.at(-1)).toBe('Streamed to storage, but not installed/enabled.');
    await expect(go('commit')).rejects.toThrow('cannot commit now');
    expect(await go('resume')).toBe(0);
    expect(said).toEqual(waits);
    expect(await go('commit', { stopBefore: ['ArtifactCommit_Leave', 'Cleanup'] })).toBe(0);
    expect(said).toEqual(['Committed.']);
    expect(await go('resume', { stopBefore: ['Cleanup'] })).toBe(0);
    await expect(go('rollback')).rejects.toThrow('cannot rollback now');
    expect(await go('resume')).toBe(0);
    expect(said).toEqual(['Cleaned up.']);
    expect(device.record().artifactName).toBe('release-2');
  });

  const rolledBack = ['ArtifactRollback_Enter', 'ArtifactRollback', 'ArtifactRollback_Leave'];
  const failed = ['ArtifactFailure_Enter', 'ArtifactFailure', 'ArtifactFailure_Leave', 'Cleanup'];
  const wayBack = ['SupportsRollback', ...rolledBack, ...failed];
  const committed = ['ArtifactCommit_Enter', 'ArtifactCommit', 'ArtifactCommit_Leave', 'Cleanup'];
  const left = ['ArtifactCommit_Leave', 'Cleanup'];
  const undone = ['SupportsRollback', ...rolledBack, 'Cleanup'];
  const refused = undefined;

  it.each<[string, ...(readonly string[] | undefined)[]]>([
    // What is stored, and what resume, commit and rollback call there; a refusal calls nothing and keeps it.
    [
      'Before_ArtifactInstall_Enter',
      ['ArtifactInstall_Enter', 'ArtifactInstall', 'ArtifactInstall_Leave'],
      refused,
      undone,
    ],
    ['ArtifactInstall_Enter', wayBack, refused, undone],
    ['Before_ArtifactCommit_Enter', committed, committed, undone],
    ['ArtifactCommit_Enter', wayBack, wayBack, undone],
    ['Before_ArtifactCommit_Leave', left, refused, undone],
    ['ArtifactCommit_Leave', left, refused, refused],
    ['ArtifactRollback_Enter', [...rolledBack, ...failed], refused, undone],
    ['ArtifactFailure_Enter', failed, refused, refused],
    ['Cleanup', ['Cleanup'], refused, refused],
  ])('UC-98 stopped or cut at %s: resume, commit and rollback', async (InState, ...calls) => {
    await run({});
    const waiting = device.record();
    for (const [index, command] of (['resume', 'commit', 'rollback'] as const).entries()) {
      device.journal.write(() => ({ ...waiting, standalone: { ...waiting.standalone!, InState } }));
      device.write(device.callLog, '');
      const wanted = calls[index];
      if (wanted) {
        await go(command);
        expect(device.calls().slice(0, wanted.length), command).toEqual(wanted);
      } else {
        await expect(go(command), command).rejects.toThrow(`cannot ${command} now: the update stopped at ${InState}`);
        expect(device.calls()).toEqual([]);
        expect(device.record().standalone?.InState).toBe(InState);
      }
      // The tree is gone with Cleanup; the next command finds it as it was.
      makeCurrent(paths.tree(device.places), { name: 'release-1', group: '', deviceType: 'rig' });
    }
  });

  it.each<[string, Behaviour, string[], string]>([
    ['ArtifactCommit', { fails: ['ArtifactCommit'] }, ['Committing failed.', 'Rolled back.'], 'release-1'],
    ['Cleanup', { fails: ['Cleanup'] }, ['Committed.', 'Cleanup failed.'], 'release-2_INCONSISTENT'],
    [
      'ArtifactRollback',
      { fails: ['ArtifactCommit', 'ArtifactRollback'] },
      ['Committing failed.', 'Rollback failed. System may be in an inconsistent state.'],
      'release-2_INCONSISTENT',
    ],
  ])('UC-97 commit whose %s fails: exit 1, and what it comes to', async (_, behaviour, texts, name) => {
    await run(behaviour);
    expect(await go('commit')).toBe(1);
    expect(said).toEqual(texts);
    expect(device.record().artifactName).toBe(name);
    expect(device.record().standalone).toBeUndefined();
  });

  it('UC-97 the Leave script of the commit fails: committed all the same, exit 1, inconsistent', async () => {
    const script = device.script('ArtifactCommit_Leave', { fails: ['ArtifactCommit_Leave'] });
    expect(await run({}, { scripts: { ArtifactCommit_Leave_00: script } })).toBe(0);
    expect(await go('commit')).toBe(1);
    expect(said).toEqual(['Committed.', 'One or more post-commit steps failed.']);
    expect(device.calls()).not.toContain('ArtifactRollback');
    expect(device.record().artifactName).toBe('release-2_INCONSISTENT');
  });

  it('UC-97 rollback with a module that cannot: refused, and the update still waits', async () => {
    await run({});
    device.module({ supportsRollback: 'No' });
    await expect(go('rollback')).rejects.toThrow('the Update Module does not support rollback; use commit or resume');
    expect(await go('commit')).toBe(0);
  });

  it('UC-97 an artifact without payload is committed at once', async () => {
    expect(await run({}, { type: null, provides: { a: '1' }, scripts: {} })).toBe(0);
    expect(said).toEqual(['Installing artifact...', 'Artifact with empty payload. Committing immediately.']);
    expect(device.record()).toMatchObject({ artifactName: 'release-2', provides: { a: '1' } });
  });

  it.each<['resume' | 'commit' | 'rollback', string, string, string[]]>([
    [
      'resume',
      'ArtifactInstall_Enter',
      'Before_ArtifactInstall_Enter',
      ['Streamed to storage, but not installed/enabled.'],
    ],
    ['resume', 'ArtifactCommit_Enter', 'Before_ArtifactCommit_Enter', ['Installed, but not committed.']],
    ['commit', 'ArtifactCommit_Enter', 'Before_ArtifactCommit_Enter', ['Installed, but not committed.']],
    ['resume', 'ArtifactCommit_Leave', 'Before_ArtifactCommit_Leave', []],
    ['rollback', 'ArtifactRollback_Enter', 'ArtifactRollback_Enter', []],
    ['resume', 'ArtifactFailure_Enter', 'ArtifactFailure_Enter', []],
    ['resume', 'Cleanup', 'Cleanup', []],
  ])('UC-98 %s --stop-before %s where it has stopped: stops once more', async (command, stop, InState, texts) => {
    await run({});
    device.journal.write((record) => ({ ...record, standalone: { ...record.standalone!, InState } }));
    device.write(device.callLog, '');
    expect(await go(command, { stopBefore: [stop] })).toBe(0);
    expect(said).toEqual(texts);
    expect(device.record().standalone?.InState).toBe(InState);
    expect(device.calls().filter((call) => call !== 'SupportsRollback')).toEqual([]);
  });

  it('UC-98 install --stop-before ArtifactCommit_Enter waits for the commit of a module that cannot roll back too', async () => {
    expect(await run({ supportsRollback: 'No' }, {}, { stopBefore: ['ArtifactCommit_Enter'] })).toBe(0);
    expect(said).toEqual(['Installing artifact...', 'Installed, but not committed.']);
    expect(device.calls()).not.toContain('ArtifactCommit');
    expect(await go('commit')).toBe(0);
    expect(said).toEqual(['Committed.']);
  });

  it('UC-98 there is no other place to stop at', async () => {
    await expect(run({}, {}, { stopBefore: ['ArtifactReboot_Enter'] })).rejects.toThrow('cannot stop before');
  });

  it('UC-100 from an address: 404 and a cut transfer leave the system as it is', async () => {
    const server = await ScriptedServer.open();
    try {
      server.override = (call) => (call.path === '/artifact' ? { status: 404 } : undefined);
      device.module({});
      expect(await install(`${server.url}/artifact`, options(), signal)).toBe(1);
      expect(said).toEqual(['Installing artifact...', 'Streaming failed.', 'System not modified.']);
      server.override = undefined;
      server.deployment = { id: 'x', artifact: makeArtifact({ files: { big: 'x'.repeat(100_000) } }) };
      server.download = (_, response, bytes) => {
        response.writeHead(200, { 'Content-Length': bytes.length });
        response.write(bytes.subarray(0, bytes.length / 2), () => response.destroy());
      };
      expect(await install(`${server.url}/artifact`, options(), signal)).toBe(1);
      expect(said).toEqual(['Installing artifact...', 'Streaming failed.', 'System not modified.']);
      server.download = undefined;
      expect(await install(`${server.url}/artifact`, options(), signal)).toBe(0);
    } finally {
      server.close();
    }
  });

  it.each(['ec', 'rsa'] as const)(
    'UC-89 with keys set (%s), what none of them has signed is refused, and the second may be the one',
    async (kind) => {
      const pair = () =>
        kind === 'ec'
          ? generateKeyPairSync('ec', { namedCurve: 'P-256' })
          : generateKeyPairSync('rsa', { modulusLength: 2048 });
      const [ours, second, foreign] = [pair(), pair(), pair()];
      const keys = [ours, second].map(({ publicKey }, index) => {
        const file = join(device.root, `verify-${index}.pem`);
        device.write(file, publicKey.export({ type: 'spki', format: 'pem' }));
        return file;
      });
      device.write(paths.config(device.places), JSON.stringify({ ArtifactVerifyKeys: keys }));
      expect(await run({})).toBe(1);
      expect(await run({}, { key: foreign.privateKey })).toBe(1);
      const altered = makeArtifact({ key: ours.privateKey });
      altered[altered.indexOf('  data/0000/payload') - 1]! ^= 1;
      device.write(join(device.root, 'altered.mender'), altered);
      expect(await install(join(device.root, 'altered.mender'), options(), signal)).toBe(1);
      expect(device.calls()).toEqual([]);
      expect(await run({}, { key: second.privateKey })).toBe(0);
      // Without keys a signature is none of the device's business.
      expect(await go('rollback')).toBe(0);
      device.write(paths.config(device.places), '{}');
      expect(await run({}, { key: foreign.privateKey })).toBe(0);
    },
  );

  it('UC-98 interrupted by a signal it says whether there is something to carry on, and resume goes back', async () => {
    const stop = new AbortController();
    const installing = (name: string) => {
      device.module({ extra: `[ "$1" = ${name} ] && sleep 60` });
      return install(artifact(), options(), stop.signal);
    };
    const called = (name: string) =>
      vi.waitFor(() => expect(device.calls()).toContain(name), { timeout: 20_000, interval: 20 });
    const cut = expect(installing('ArtifactInstall')).rejects.toThrow("interrupted: use 'resume'");
    await called('ArtifactInstall');
    stop.abort();
    await cut;
    device.module({});
    expect(await go('resume')).toBe(1);
    expect(said).toContain('Rolled back.');
    expect(device.record()).toMatchObject({ artifactName: 'release-1' });
    await expect(installing('Download')).rejects.toThrow('interrupted: nothing was installed');
  });

  it('UC-97 the program prints texts on standard output and errors on standard error', async () => {
    device.module({});
    const installed = await device.command('install', artifact());
    expect(installed).toMatchObject({ code: 0, stdout: `Installing artifact...\n${waits.join('\n')}\n` });
    const again = await device.command('install', artifact());
    expect(again.code).toBe(1);
    expect(again.stderr).toContain(
      'Could not fulfill request: Update already in progress. Please commit or roll back first',
    );
    expect(await device.command('commit')).toMatchObject({ code: 0, stdout: 'Committed.\n' });
    expect(await device.command('show-artifact')).toMatchObject({ code: 0, stdout: 'release-2\n' });
    expect(await device.command('show-provides')).toMatchObject({ code: 0, stdout: 'artifact_name=release-2\n' });
    expect(await device.command('no-such-command')).toMatchObject({ code: 1 });
    const missing = await device.command('--log-file', join(device.root, 'log'), 'install', 'nothere.mender');
    expect(missing).toEqual({
      code: 1,
      stdout: 'Installing artifact...\nStreaming failed.\nSystem not modified.\n',
      stderr: 'update step failed: cannot read nothere.mender: there is no such file\n',
    });
    expect(JSON.parse(readFileSync(join(device.root, 'log'), 'utf8'))).toMatchObject({ msg: 'update step failed' });
  }, 180_000);
});
