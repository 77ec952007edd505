import { once } from 'node:events';
import { createInterface } from 'node:readline';
import type { Readable } from 'node:stream';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { makeArtifact } from '../rig/artifact.ts';
import { bundledClient } from '../rig/bundle.ts';
import { RigDevice, type Behaviour } from '../rig/device.ts';
import { ScriptedServer } from '../rig/server.ts';

// The real program, killed by SIGKILL, started again: whatever the moment, the device ends new or old, and says which.

const groups = ['Install', 'Reboot', 'Commit', 'Rollback', 'RollbackReboot', 'Failure'].flatMap((state) =>
  ['Enter', 'Leave', 'Error'].map((phase) => `Artifact${state}_${phase}`),
);

interface Ending {
  readonly name: string | undefined;
  readonly report: string;
  readonly reports: readonly string[];
  readonly calls: readonly string[];
  /** The power was cut in this run. */
  readonly cut: boolean;
}

const client = bundledClient();
let cuts = 0;
afterAll(() => console.log(`power cuts survived: ${cuts}`));

/** A whole deployment with a cut somewhere; the client is started as often as it dies. */
async function deployment(behaviour: Behaviour, env: Readonly<Record<string, string>> = {}): Promise<Ending> {
  const server = await ScriptedServer.open();
  using device = new RigDevice({ ServerURL: server.url });
  device.program = client();
  device.installed('release-1');
  device.module(behaviour);
  const scripts = Object.fromEntries(groups.map((group) => [`${group}_01`, device.script(group, behaviour)]));
  device.rootScripts(['Download_Enter', 'Download_Leave', 'Download_Error'], behaviour);
  server.deployment = { id: 'd1', artifact: makeArtifact({ scripts }) };
  let cut = false;
  try {
    for (let start = 0; start < 40; start += 1) {
      // Cut right after the last write of all: the end was told and stored, there is nothing to carry on.
      if (start > 0 && !server.deployment && !device.record().deployment) break;
      const child = device.spawn(['--log-level', 'debug', 'daemon'], {
        PATCHBAY_TEST_SECOND_MS: '10',
        ...(start === 0 ? env : {}),
      });
      const exited = once(child, 'exit');
      child.stdout?.resume();
      for await (const line of createInterface(child.stderr as Readable))
        if (line.includes('"deployment closed"')) child.kill('SIGTERM');
      const [, signal] = (await exited) as [number | null, string | null];
      if (signal !== 'SIGKILL') break;
      cut = true;
    }
    if (cut) cuts += 1;
    const { artifactName, deployment: left } = device.record();
    expect(left).toBeUndefined();
    expect(server.reports.filter((report) => report === 'success' || report === 'failure')).not.toEqual([]);
    return {
      name: artifactName,
      report: server.reports.at(-1) ?? '',
      reports: server.reports,
      calls: device.calls(),
      cut,
    };
  } finally {
    server.close();
  }
}

const courses = {
  'a good update with reboot': { needsReboot: 'Yes' },
  'a good update without reboot': {},
  'a failing install': { fails: ['ArtifactInstall'] },
  'a failing commit with reboot': { needsReboot: 'Yes', fails: ['ArtifactCommit'] },
} satisfies Record<string, Behaviour>;

describe.each(Object.entries<Behaviour>(courses))('UC-67 … UC-75: %s', (title, behaviour) => {
  let plain: Ending;
  beforeAll(async () => {
    plain = await deployment(behaviour);
  }, 120_000);

  const whole = (ending: Ending) =>
    ending.report === 'success' ? ending.name === 'release-2' : ending.name === 'release-1';

  it('cut at every journal write', async () => {
    let write = 1;
    for (; ; write += 1) {
      const ending = await deployment(behaviour, { PATCHBAY_TEST_CUT: String(write) });
      if (!ending.cut) break;
      expect(whole(ending), `write ${write}: ${ending.report} ${ending.name}`).toBe(true);
      if (plain.report === 'failure') expect(ending.report).toBe('failure');
    }
    console.log(`${title}: ${write - 1} journal writes`);
    expect(write).toBeGreaterThan(5);
  });

  it('cut before and after every call', async () => {
    const places = [...new Set(plain.calls)];
    for (const place of places)
      for (const kind of ['kills', 'killsAfter'] as const) {
        const ending = await deployment({ ...behaviour, [kind]: [place] });
        // A call that fails by itself never reaches its end.
        if (kind === 'kills' || !behaviour.fails?.includes(place)) expect(ending.cut, `${kind} ${place}`).toBe(true);
        expect(whole(ending), `${kind} ${place}: ${ending.report} ${ending.name}`).toBe(true);
        if (plain.report === 'success') expect(ending.report, `${kind} ${place}`).toBe(expected(place));
        else expect(ending.report).toBe('failure');
      }
    console.log(`${title}: ${places.length} calls, each cut twice`);
  });
});

/** What becomes of a good update when the power goes in a call (§2.4). */
function expected(place: string): string {
  const survives = ['ArtifactReboot_Enter', 'ArtifactReboot', 'ArtifactCommit_Leave', 'Cleanup'];
  return survives.includes(place) ? 'success' : 'failure';
}

describe('endless power loss', () => {
  it.each(['ArtifactVerifyRollbackReboot', 'Cleanup'])(
    'UC-76 in %s: given up after the allowed stores',
    async (place) => {
      const behaviour = { needsReboot: 'Yes', fails: ['ArtifactInstall'], killsAlways: [place] };
      const ending = await deployment(behaviour);
      expect(ending).toMatchObject({ report: 'failure', name: 'release-2_INCONSISTENT' });
    },
  );
});
