// The real mender 3.4 is killed in the middle of a deployment, and our client takes the device over: it ends new and
// committed or old and working, and the server is told which.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { chmod, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { runClient } from '../client/daemon.ts';
import { makeArtifact } from '../client/rig/artifact.ts';
import { bundledClient } from '../client/rig/bundle.ts';
import { artifactGroups } from '../client/rig/course.ts';
import { RigDevice, type Behaviour } from '../client/rig/device.ts';
import { RigLog } from '../client/rig/log.ts';
import { ScriptedServer, type Call } from '../client/rig/server.ts';
import { describePeers } from './peers.ts';
import { loopsMissing } from './stage/loop-device.ts';
import { menderOn } from './stage/mender.ts';
import { TwoRoots } from './stage/two-roots.ts';

process.env['DBUS_SYSTEM_BUS_ADDRESS'] = 'unix:path=/nonexistent/bus';

/** What mender wants to read in an offer beside the address. */
async function serverForMender(): Promise<ScriptedServer> {
  const server = await ScriptedServer.open();
  server.override = ({ path, headers }) => {
    const { deployment } = server;
    if (!path.includes('/deployments/next') || headers.authorization !== `Bearer ${server.token}` || !deployment)
      return undefined;
    const source = { uri: `${server.url}/artifact`, expire: '2099-01-01T00:00:00Z' };
    const artifact = { artifact_name: 'release-2', device_types_compatible: ['rig'], source };
    return { status: 200, body: JSON.stringify({ id: deployment.id, artifact }) };
  };
  return server;
}

/** A device as mender finds it; it never was updated. */
function formerDevice(server: ScriptedServer, settings: Readonly<Record<string, unknown>> = {}): RigDevice {
  const second = { UpdatePollIntervalSeconds: 1, InventoryPollIntervalSeconds: 1, RetryPollIntervalSeconds: 1 };
  const device = new RigDevice({ ServerURL: server.url, DBus: { Enabled: false }, ...second, ...settings });
  device.write(join(device.places.conf, 'artifact_info'), 'artifact_name=release-1\n');
  device.write(join(device.places.conf, 'scripts', 'version'), '3\n');
  return device;
}

/** Runs mender until it is killed. */
async function mender(
  device: RigDevice,
  inside: (command: readonly string[]) => readonly string[],
  env: NodeJS.ProcessEnv = process.env,
  killedBy?: (kill: () => void) => void,
): Promise<void> {
  const { command, env: libraries } = await menderOn(device.places, join(device.root, 'over'));
  const [program = '', ...args] = inside(command);
  const child = spawn(program, args, { env: { ...env, ...libraries }, stdio: ['ignore', 'pipe', 'pipe'] });
  let said = '';
  for (const stream of [child.stdout, child.stderr])
    stream.on('data', (text: Buffer) => (said = `${said}${text.toString()}`.slice(-4000)));
  killedBy?.(() => child.kill('SIGKILL'));
  // One that is not killed would go on for ever: then its last words are the failure.
  const guard = setTimeout(() => child.kill('SIGTERM'), 120_000);
  const [, signal] = (await once(child, 'exit')) as [number | null, string | null];
  clearTimeout(guard);
  if (signal !== 'SIGKILL') throw new Error(`mender was not killed where it should be:\n${said}`);
}

const isFinal = ({ path, body }: Call) =>
  path.endsWith('/status') && /"status":"(success|failure)"/.test(body) && !body.includes('substate');
const reboots = { needsReboot: 'Yes' };
const goesBack = { ...reboots, fails: ['ArtifactCommit'] };
const cannotGoBack = { supportsRollback: 'No', fails: ['ArtifactInstall'] };

const modules = (): void => {
  it.concurrent.each<[string, Behaviour, string | undefined, string, string]>([
    ['in Download_Enter', reboots, 'Download_Enter', 'release-2', 'success'],
    ['in Download', reboots, 'Download', 'release-1', 'failure'],
    ['in Download_Leave', reboots, 'Download_Leave', 'release-1', 'failure'],
    ['in ArtifactInstall', reboots, 'ArtifactInstall', 'release-1', 'failure'],
    ['in ArtifactReboot', reboots, 'ArtifactReboot', 'release-2', 'success'],
    ['in ArtifactCommit_Leave', reboots, 'ArtifactCommit_Leave', 'release-2', 'success'],
    ['in Cleanup', reboots, 'Cleanup', 'release-2', 'success'],
    ['in its report of success', reboots, undefined, 'release-2', 'success'],
    ['in ArtifactRollback', goesBack, 'ArtifactRollback', 'release-1', 'failure'],
    ['in ArtifactFailure', goesBack, 'ArtifactFailure', 'release-1', 'failure'],
    ['in its report of failure', goesBack, undefined, 'release-1', 'failure'],
    ['in its report of a failure without a way back', cannotGoBack, undefined, 'release-2_INCONSISTENT', 'failure'],
  ])('%s', async (_, behaviour, place, name, report) => {
    const server = await serverForMender();
    using device = formerDevice(server);
    const stop = new AbortController();
    try {
      const cut = { ...behaviour, ...(place === undefined ? {} : { kills: [place] }) };
      device.module(cut);
      const scripts = Object.fromEntries(artifactGroups.map((group) => [`${group}_01`, device.script(group, cut)]));
      device.rootScripts(['Download_Enter', 'Download_Leave', 'Download_Error'], cut);
      server.deployment = { id: 'd1', artifact: makeArtifact({ scripts }) };
      await mender(
        device,
        (command) => ['unshare', '-m', ...command],
        process.env,
        (kill) => {
          if (place === undefined) server.on('call', (call) => isFinal(call) && kill());
        },
      );
      const before = device.calls().length;
      const log = new RigLog();
      const client = runClient(device.options(log), stop.signal);
      await log.until('deployment closed');
      stop.abort();
      await client;
      expect(server.reports.at(-1)).toBe(report);
      expect(device.record()).toMatchObject({ artifactName: name });
      expect(device.record().deployment).toBeUndefined();
      const after = device.calls().slice(before);
      if (place === undefined) expect(after).toEqual([]);
      // What was never installed is not rolled back.
      if (place?.startsWith('Download')) expect(after).not.toContain('ArtifactRollback');
    } finally {
      stop.abort();
      server.close();
    }
  });
};

const program = bundledClient();

const rootFileSystems = (): void => {
  it('installs an image of ours, which is not committed at its first trial and is at its second', async () => {
    await using machine = await TwoRoots.open({ bootLoader: 'U-Boot', inhabited: true });
    const server = await serverForMender();
    const { a, b } = machine.devices;
    using device = formerDevice(server, { RootfsPartA: a, RootfsPartB: b });
    device.program = program();
    const image = await readFile(await machine.image('release-2'));
    const rebooted = join(machine.folder, 'rebooted');
    const reboot = join(machine.bin, 'reboot');
    // Whoever kills the client here is no longer there to say so; the reboot is meant.
    await writeFile(reboot, `#!/bin/sh\n: >'${rebooted}'; kill -9 $PPID; sleep 5\n`);
    await chmod(reboot, 0o755);
    const inside = (command: readonly string[]) => machine.inside(command);
    const ended = (id: string) => server.called((call) => call.path.includes(`/${id}/`) && isFinal(call), true);
    const ours = async (until: Promise<unknown>) => {
      const env = { ...machine.environment(), PATCHBAY_TEST_SECOND_MS: '10' };
      const child = device.spawn(['--log-level', 'debug', 'daemon'], env, inside);
      const exited = once(child, 'exit');
      child.stdout?.resume();
      child.stderr?.resume();
      await Promise.race([exited, until]);
      child.kill('SIGTERM');
      await exited;
    };
    try {
      for (const [id, script] of [
        ['d1', 'exit 1'],
        ['d2', 'exit 0'],
      ] as const) {
        const scripts = { ArtifactCommit_Enter_00: `#!/bin/sh\n${script}\n` };
        server.deployment = { id, artifact: makeArtifact({ type: 'rootfs-image', files: { image }, scripts }) };
        await mender(device, inside, machine.environment());
        expect(existsSync(rebooted)).toBe(true);
        expect(await machine.boot()).toBe('b');
        if (id === 'd1') {
          // Refused: ours makes the old one start again and reboots. There mender finds what it had left behind.
          await ours(new Promise(() => undefined));
          expect(await machine.boot()).toBe('a');
          // Only at its next poll it has stored that it was told.
          const told = ended('d1').then(() => server.called(({ path }) => path.includes('/deployments/next'), true));
          for (let start = 0; start < 4 && server.deployment; start += 1) {
            await mender(device, inside, machine.environment(), (kill) => void told.then(kill));
            // It may restart the machine once more on its own way back.
            expect(await machine.boot()).toBe('a');
          }
          expect(server.reports.at(-1)).toBe('failure');
        } else {
          await ours(ended('d2'));
        }
      }
      expect(server.reports.at(-1)).toBe('success');
      expect(await machine.state()).toBe('b 0 1');
      await machine.boot();
      expect(await machine.release()).toBe('release-2');
      expect(device.record()).toMatchObject({ artifactName: 'release-2' });
    } finally {
      server.close();
    }
  });
};

await describePeers('UC-78 taken over from mender 3.4 that was killed', ['mender-client'], modules);
await describePeers(
  'UC-78 a root file system of mender 3.4',
  ['mender-client', 'libubootenv-tool'],
  rootFileSystems,
  loopsMissing(),
);
