import { randomBytes } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { paths } from '../places.ts';
import { course, type Course } from '../rig/course.ts';
import type { Call } from '../rig/server.ts';

process.env['DBUS_SYSTEM_BUS_ADDRESS'] = 'unix:path=/nonexistent/bus';

const back = ['ArtifactRollback_Enter', 'ArtifactRollback', 'ArtifactRollback_Leave', 'NeedsArtifactReboot'];
const backReboot = [
  'ArtifactRollbackReboot_Enter',
  'ArtifactRollbackReboot',
  'ArtifactVerifyRollbackReboot',
  'ArtifactRollbackReboot_Leave',
];
const failure = ['ArtifactFailure_Enter', 'ArtifactFailure', 'ArtifactFailure_Leave'];
const wholeWayBack = ['SupportsRollback', ...back, ...backReboot, ...failure, 'Cleanup'];
const old = 'release-1';
const broken = 'release-2_INCONSISTENT';

type Answer = NonNullable<Course['answer']>;

interface Row extends Course {
  readonly what: string;
  readonly name: string;
  /** The last calls, from the failing one on. */
  readonly calls: readonly string[];
  /** Reports after `downloading`. */
  readonly reports?: readonly string[];
}

const reboot = { needsReboot: 'Yes' };
const installing = ['installing', 'failure'];
const rebooting = ['installing', 'rebooting', 'failure'];
const committing = ['installing', 'rebooting', 'installing', 'failure'];

const rows: Row[] = [
  // State scripts that fail.
  {
    what: 'UC-55 Download_Enter',
    scripts: ['Download_Enter'],
    name: old,
    calls: ['Download_Enter', 'Download_Error'],
    reports: ['failure'],
  },
  {
    what: 'UC-55 Download_Leave',
    scripts: ['Download_Leave'],
    name: old,
    calls: ['Download_Leave', 'Download_Error', 'Cleanup'],
    reports: ['failure'],
  },
  ...(['Enter', 'Leave'] as const).map((phase) => ({
    what: `UC-56 ArtifactInstall_${phase}`,
    scripts: [`ArtifactInstall_${phase}`],
    module: reboot,
    name: old,
    calls: [`ArtifactInstall_${phase}`, 'ArtifactInstall_Error', ...wholeWayBack],
    reports: installing,
  })),
  ...(['Enter', 'Leave'] as const).map((phase) => ({
    what: `UC-56 ArtifactReboot_${phase}`,
    scripts: [`ArtifactReboot_${phase}`],
    module: reboot,
    name: old,
    calls: [`ArtifactReboot_${phase}`, 'ArtifactReboot_Error', ...wholeWayBack],
    reports: rebooting,
  })),
  {
    what: 'UC-56 ArtifactCommit_Enter',
    scripts: ['ArtifactCommit_Enter'],
    module: reboot,
    name: old,
    calls: ['ArtifactCommit_Enter', 'ArtifactCommit_Error', ...wholeWayBack],
    reports: committing,
  },
  {
    what: 'UC-57 ArtifactCommit_Leave',
    scripts: ['ArtifactCommit_Leave'],
    module: reboot,
    name: broken,
    calls: ['ArtifactCommit_Leave', 'ArtifactCommit_Error', 'Cleanup'],
    reports: committing,
  },
  ...[
    'ArtifactRollback_Enter',
    'ArtifactRollback_Leave',
    'ArtifactRollbackReboot_Enter',
    'ArtifactFailure_Enter',
    'ArtifactFailure_Leave',
  ].map((group) => ({
    what: `UC-58 ${group}: the way back is gone to its end`,
    scripts: [group],
    module: { ...reboot, fails: ['ArtifactInstall'] },
    name: broken,
    calls: ['ArtifactInstall', 'ArtifactInstall_Error', ...wholeWayBack],
    reports: installing,
  })),
  {
    what: 'UC-58 ArtifactRollbackReboot_Leave',
    scripts: ['ArtifactRollbackReboot_Leave'],
    module: { ...reboot, fails: ['ArtifactInstall'] },
    name: broken,
    calls: ['ArtifactRollbackReboot_Leave', 'ArtifactRollbackReboot_Error', ...failure, 'Cleanup'],
    reports: installing,
  },
  // Module states that fail.
  {
    what: 'UC-59 ArtifactInstall, no rollback',
    module: { fails: ['ArtifactInstall'], supportsRollback: 'No' },
    name: broken,
    calls: ['ArtifactInstall', 'ArtifactInstall_Error', 'SupportsRollback', ...failure, 'Cleanup'],
    reports: installing,
  },
  ...['ArtifactReboot', 'ArtifactVerifyReboot'].map((state) => ({
    what: `UC-60 ${state}`,
    module: { ...reboot, fails: [state] },
    name: old,
    calls: [state, 'ArtifactReboot_Error', ...wholeWayBack],
    reports: rebooting,
  })),
  {
    what: 'UC-61 ArtifactCommit',
    module: { ...reboot, fails: ['ArtifactCommit'] },
    name: old,
    calls: ['ArtifactCommit', 'ArtifactCommit_Error', ...wholeWayBack],
    reports: committing,
  },
  {
    what: 'UC-62 ArtifactRollback',
    module: { ...reboot, fails: ['ArtifactInstall', 'ArtifactRollback'] },
    name: broken,
    calls: ['ArtifactRollback', 'ArtifactRollback_Leave', ...failure, 'Cleanup'],
    reports: installing,
  },
  {
    what: 'UC-63 ArtifactRollbackReboot fails, but the old system runs',
    module: { ...reboot, fails: ['ArtifactInstall', 'ArtifactRollbackReboot'] },
    name: old,
    calls: ['ArtifactInstall', 'ArtifactInstall_Error', ...wholeWayBack],
    reports: installing,
  },
  {
    what: 'UC-65 ArtifactFailure',
    module: { ...reboot, fails: ['ArtifactInstall', 'ArtifactFailure'] },
    name: broken,
    calls: ['ArtifactFailure', 'ArtifactFailure_Leave', 'Cleanup'],
    reports: installing,
  },
  {
    what: 'UC-66 SupportsRollback',
    module: { fails: ['ArtifactInstall', 'SupportsRollback'] },
    name: broken,
    calls: ['SupportsRollback', ...failure, 'Cleanup'],
    reports: installing,
  },
  {
    what: 'UC-66 NeedsArtifactReboot',
    module: { fails: ['NeedsArtifactReboot'] },
    name: broken,
    calls: ['ArtifactRollback_Leave', 'NeedsArtifactReboot', ...failure, 'Cleanup'],
    reports: installing,
  },
  {
    what: 'UC-42 Cleanup after a rollback',
    module: { ...reboot, fails: ['ArtifactInstall', 'Cleanup'] },
    name: old,
    calls: ['ArtifactInstall', 'ArtifactInstall_Error', ...wholeWayBack],
    reports: installing,
  },
  {
    what: 'Cleanup after a commit: the update stands, and is a success (unlike Mender, §2.3 Q)',
    module: { fails: ['Cleanup'] },
    name: 'release-2',
    calls: ['ArtifactCommit_Leave', 'Cleanup'],
    reports: ['installing', 'installing', 'success'],
  },
];

describe.concurrent('a failure in', () => {
  it.for(rows)('$what', { timeout: 120_000 }, async ({ name, calls, reports, ...given }, { expect }) => {
    const end = await course(given);
    expect(end.calls.slice(-calls.length)).toEqual(calls);
    expect(end.name).toBe(name);
    expect(end.reports).toEqual(['downloading', ...(reports ?? [])]);
  });

  it(
    'UC-64 ArtifactVerifyRollbackReboot for ever: the counter ends it, without Cleanup',
    { timeout: 120_000 },
    async () => {
      const end = await course({ module: { ...reboot, fails: ['ArtifactInstall', 'ArtifactVerifyRollbackReboot'] } });
      expect(end).toMatchObject({ name: broken, reports: ['downloading', ...installing] });
      expect(end.calls).not.toContain('Cleanup');
      expect(end.calls.filter((call) => call === 'ArtifactRollbackReboot').length).toBeLessThan(15);
    },
  );
});

describe.concurrent('the server', () => {
  const status = (call: Call) =>
    call.path.endsWith('/status') ? (JSON.parse(call.body) as { status: string }).status : '';
  /** 409 to the n-th report of a status. */
  const abortAt = (word: string, nth = 1): Answer => {
    let seen = 0;
    return (call) => {
      if (status(call) !== word || (seen += 1) !== nth) return undefined;
      return { status: 409, body: '{"error":"Deployment aborted"}' };
    };
  };

  it('UC-79 aborts at downloading: no call at all', { timeout: 60_000 }, async () => {
    const end = await course({ answer: abortAt('downloading') });
    expect(end).toMatchObject({ name: old, calls: [], reports: ['failure'] });
  });
  it('UC-79 aborts at the first installing: Cleanup only', { timeout: 60_000 }, async () => {
    const end = await course({ answer: abortAt('installing') });
    expect(end.calls.slice(-2)).toEqual(['Download_Leave', 'Cleanup']);
    expect(end.reports).toEqual(['downloading', 'failure']);
  });
  it('UC-79 aborts at rebooting, and at the second installing: rollback', { timeout: 60_000 }, async () => {
    for (const answer of [abortAt('rebooting'), abortAt('installing', 2)]) {
      const end = await course({ module: reboot, answer });
      expect(end.calls.slice(-wholeWayBack.length)).toEqual(wholeWayBack);
      expect(end.name).toBe(old);
    }
  });
  it(
    'UC-80 is down before the commit for a while: waits, then commits; for ever: rollback',
    { timeout: 60_000 },
    async () => {
      const down = (times: number): Answer => {
        let seen = 0;
        return (call) => {
          if (status(call) !== 'installing') return undefined;
          seen += 1;
          return seen >= 2 && seen < 2 + times ? { status: 503 } : undefined;
        };
      };
      expect(await course({ answer: down(3) })).toMatchObject({ name: 'release-2' });
      expect(await course({ answer: down(1000) })).toMatchObject({ name: old });
    },
  );
  it('UC-81 never takes the final report: given up, and nothing is left stored', { timeout: 60_000 }, async () => {
    const end = await course({
      answer: (call, server) => {
        if (status(call) !== 'success') return undefined;
        server.deployment = undefined;
        return { status: 500 };
      },
    });
    expect(end.name).toBe('release-2');
    expect(end.log).toContain('the server does not know how this deployment ended');
  });
  it('UC-17 says when to ask again: reports and the log wait that long, however long else', async () => {
    const asked = new Set<string>();
    const end = await course({
      module: { fails: ['ArtifactCommit'] },
      settings: { RetryPollIntervalSeconds: 90_000 },
      answer: (call, server) => {
        // The second `installing` is the one that must be heard.
        const second = status(call) === 'installing' && server.reports.includes('installing');
        const what = second
          ? 'installing'
          : status(call) === 'failure'
            ? 'failure'
            : call.path.endsWith('/log') && 'log';
        if (!what || asked.has(what)) return undefined;
        asked.add(what);
        return { status: 429, headers: { 'Retry-After': '1' } };
      },
    });
    expect([...asked]).toEqual(['installing', 'failure', 'log']);
    // A second is 10 ms here: the back-off would have taken a minute of these.
    expect(end.log.match(/report repeated later {"ms":10,/g)).toHaveLength(3);
    expect(end.reports.slice(0, 3)).toEqual(['downloading', 'installing', 'installing']);
    expect(end.reports.at(-1)).toBe('failure');
  });
  it('UC-82 takes no log of that size: not repeated', { timeout: 60_000 }, async () => {
    let logs = 0;
    const end = await course({
      module: { fails: ['ArtifactInstall'] },
      answer: (call) => {
        if (!call.path.endsWith('/log')) return undefined;
        logs += 1;
        return { status: 413 };
      },
    });
    expect([end.reports.at(-1), logs]).toEqual(['failure', 1]);
  });
  it('UC-83 refuses our token after the update: rollback instead of commit', { timeout: 60_000 }, async () => {
    const end = await course({
      answer: (call, server) => {
        if (status(call) === 'installing') server.accepted = false;
        if (server.reports.includes('installing') && call.path.endsWith('auth_requests')) {
          // Accepted again once the rollback had to begin.
          if (server.calls.filter((each) => each.path === call.path).length > 6) server.accepted = true;
        }
        return undefined;
      },
    });
    expect(end.name).toBe(old);
    expect(end.calls).toContain('ArtifactRollback');
  });
});

describe.concurrent('the artifact', () => {
  it('UC-29 provides: all four combinations, and a pattern', { timeout: 120_000 }, async () => {
    const after = async (recipe: Course['recipe']) => (await course({ recipe: recipe ?? {} })).provides;
    expect(await after({})).toEqual({});
    expect(await after({ clears: ['x.*'] })).toEqual({ old: '1' });
    expect(await after({ clears: ['o*'] })).toEqual({});
    expect(await after({ provides: { a: '1' } })).toEqual({ a: '1' });
    expect(await after({ provides: { a: '1' }, clears: ['x'] })).toEqual({ old: '1', a: '1' });
  });

  it('UC-87 does not fit: refused before the module starts', { timeout: 120_000 }, async () => {
    for (const recipe of [
      { deviceTypes: ['other'] },
      { depends: { old: '2' } },
      { depends: { missing: '1' } },
      { from: { artifact_name: ['release-0'] } },
      { from: { artifact_group: ['beta'] } },
    ]) {
      const end = await course({ recipe });
      expect(end).toMatchObject({
        name: old,
        calls: ['Download_Enter', 'Download_Error'],
        reports: ['downloading', 'failure'],
      });
    }
  });

  it('UC-45 holds two payloads: refused before anything runs', async () => {
    const file = join('test', 'fixtures', 'artifacts', 'malformed', 'two-payloads.mender');
    const end = await course({
      prepare: (_, server) => {
        server.deployment = { id: 'd1', artifact: readFileSync(file) };
      },
    });
    expect(end).toMatchObject({
      name: old,
      calls: ['Download_Enter', 'Download_Error'],
      reports: ['downloading', 'failure'],
    });
    expect(end.log).toContain('payload');
  });

  it('UC-52 brings a system whose state scripts cannot be run: found before the commit, rolled back', async () => {
    const end = await course({
      module: { extra: `[ "$1" != ArtifactInstall ] || printf 9 >"$VERSION"` },
      prepare: (device) => {
        process.env['VERSION'] = join(paths.rootScripts(device.places), 'version');
      },
    });
    expect(end.name).toBe(old);
    expect(end.calls).not.toContain('ArtifactCommit');
    expect(end.calls).toContain('ArtifactRollback');
    expect(end.log).toContain("version '9'");
  });

  it('UC-41 wants a module that is not there', { timeout: 60_000 }, async () => {
    const end = await course({ recipe: { type: 'no-such-module' } });
    expect(end).toMatchObject({ name: old, reports: ['downloading', 'failure'] });
    expect(end.log).toContain('Update Module not found for given artifact type: no-such-module');
  });

  it.each([false, true, 'xz', 'zstd'] as const)(
    'UC-90 is compressed (%s), or was cut short',
    { timeout: 60_000 },
    async (compress) => {
      const files = { payload: randomBytes(20_000) };
      expect((await course({ recipe: { compress, files } })).name).toBe('release-2');
      const end = await course({
        recipe: { compress, files },
        prepare: (_, server) => {
          const { artifact } = server.deployment!;
          // In the middle of the payload's archive: what the compressor wrote has no end.
          const short = artifact.subarray(0, artifact.length - 12_000 - 1024);
          server.deployment = { id: 'd1', artifact: short };
        },
      });
      expect(end).toMatchObject({ name: old, reports: ['downloading', 'failure'] });
      expect(end.calls).not.toContain('ArtifactInstall');
    },
  );

  it.each([
    ['its payload', 'hello', 'after streaming'],
    ['its version', '"format"', 'before a module runs'],
    ['its manifest', '  header.tar', 'before a module runs'],
    ['its header', 'artifact_provides', 'before a module runs'],
    ['a state script', 'echo ', 'before a module runs'],
  ])('UC-88 is altered by a bit in %s: refused', async (_, place, when) => {
    const end = await course({
      prepare: (_device, server) => {
        const { artifact } = server.deployment!;
        // Of a manifest's line the last digit.
        artifact[artifact.indexOf(place) - (place.startsWith(' ') ? 1 : 0)]! ^= 1;
      },
    });
    expect(end).toMatchObject({ name: old, reports: ['downloading', 'failure'] });
    expect(end.calls).not.toContain('ArtifactInstall');
    if (when !== 'after streaming') expect(end.calls).toEqual(['Download_Enter', 'Download_Error']);
  });

  it('UC-88 is cut short: failure, nothing installed', { timeout: 60_000 }, async () => {
    const end = await course({
      prepare: (_, server) => {
        const { artifact } = server.deployment!;
        server.deployment = { id: 'd1', artifact: artifact.subarray(0, artifact.length - 2000) };
      },
    });
    expect(end).toMatchObject({ name: old, reports: ['downloading', 'failure'] });
    expect(end.calls).not.toContain('ArtifactInstall');
  });

  it(
    'UC-27 Automatic: the client calls reboot itself; without the command it rolls back',
    { timeout: 60_000 },
    async () => {
      const path = process.env['PATH'];
      const end = await course({
        module: { needsReboot: 'Automatic' },
        prepare: (device) => {
          const bin = join(device.root, 'bin');
          device.write(join(bin, 'reboot'), `#!/bin/sh\necho reboot >>'${device.callLog}'\nexit 1\n`, 0o755);
          process.env['PATH'] = `${bin}:${path}`;
        },
      }).finally(() => {
        process.env['PATH'] = path;
      });
      expect(end.calls).toContain('reboot');
      expect(end.calls).not.toContain('ArtifactReboot');
      expect(end.name).toBe(old);
    },
  );

  it('UC-91 has nowhere to go on the disk: failure with the old name, daemon alive', { timeout: 60_000 }, async () => {
    const end = await course({ prepare: (device) => device.write(join(device.places.store, 'modules'), '') });
    expect(end).toMatchObject({ name: old, reports: ['downloading', 'failure'] });
  });
});
