// The whole client on a machine with two root file systems, its power cut everywhere: at each write of its journal, before
// and after each call of the boot loader's tools, and in the middle of the image. The boot loader then chooses.
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { chmod, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import type { Readable } from 'node:stream';
import { afterAll, describe, expect, it } from 'vitest';
import { makeArtifact } from '../client/rig/artifact.ts';
import { bundledClient } from '../client/rig/bundle.ts';
import { RigDevice } from '../client/rig/device.ts';
import { ScriptedServer } from '../client/rig/server.ts';
import { describePeers } from './peers.ts';
import { loopsMissing } from './stage/loop-device.ts';
import { TwoRoots } from './stage/two-roots.ts';

interface Cut {
  /** After this write of the journal, counted in this start of the client. */
  readonly write?: { readonly start: number; readonly number: number };
  /** At this call of the boot loader's tools, counted from the beginning. */
  readonly call?: { readonly number: number; readonly when: 'before' | 'after' };
  /** When half of the artifact has come. */
  readonly half?: boolean;
}

interface Ending {
  readonly report: string;
  readonly release: string;
  readonly name: string | undefined;
  readonly state: string;
  /** Calls of the boot loader's tools: a `p` for each that printed, an `s` for each that set. */
  readonly calls: string;
  readonly cut: boolean;
}

const client = bundledClient();
let cuts = 0;
afterAll(() => console.log(`power cuts survived: ${cuts}`));

/** An update from its offer to its end; the client is started as often as the machine is. */
async function update(script: string, cut: Cut): Promise<Ending> {
  await using machine = await TwoRoots.open({ bootLoader: 'U-Boot', inhabited: true });
  const server = await ScriptedServer.open();
  const { a, b } = machine.devices;
  using device = new RigDevice({ ServerURL: server.url, RootfsPartA: a, RootfsPartB: b });
  device.program = client();
  device.installed('release-1');
  const image = await readFile(await machine.image('release-2'));
  const scripts = { ArtifactCommit_Enter_00: `#!/bin/sh\n${script}\n` };
  server.deployment = { id: 'd1', artifact: makeArtifact({ type: 'rootfs-image', files: { image }, scripts }) };
  // Whoever kills the client here is no longer there to say so; the reboot is meant.
  const rebooted = join(machine.folder, 'rebooted');
  await program(machine, 'reboot', `: >'${rebooted}'; kill -9 $PPID; sleep 5`);
  for (const tool of machine.tools) await counted(machine, tool, cut.call);
  let child: ReturnType<RigDevice['spawn']> | undefined;
  if (cut.half)
    server.download = (_, response, artifact) => {
      response.writeHead(200, { 'Content-Length': artifact.length });
      response.write(artifact.subarray(0, artifact.length / 2), () => child?.kill('SIGKILL'));
    };
  let wasCut = false;
  try {
    for (let start = 0; start < 12; start += 1) {
      // Cut right after the last write of all: the end was told and stored, there is nothing to carry on.
      if (start > 0 && !server.deployment && !device.record().deployment) break;
      const env = {
        ...machine.environment(),
        PATCHBAY_TEST_SECOND_MS: '10',
        ...(cut.write?.start === start ? { PATCHBAY_TEST_CUT: String(cut.write.number) } : {}),
      };
      child = device.spawn(['--log-level', 'debug', 'daemon'], env, (command) => machine.inside(command));
      const exited = once(child, 'exit');
      child.stdout?.resume();
      for await (const line of createInterface(child.stderr as Readable))
        if (line.includes('"deployment closed"')) child.kill('SIGTERM');
      const [, signal] = (await exited) as [number | null, string | null];
      if (signal !== 'SIGKILL') break;
      if (!existsSync(rebooted)) wasCut = true;
      await rm(rebooted, { force: true });
      await machine.boot();
    }
    const { artifactName: name, deployment: left } = device.record();
    expect(left).toBeUndefined();
    const report = server.reports.findLast((word) => word === 'success' || word === 'failure') ?? '';
    const state = await machine.state();
    const ending = {
      report,
      release: await machine.release(),
      name,
      state,
      calls: await callsOf(machine),
      cut: wasCut,
    };
    // It stays that way.
    await machine.boot();
    expect(await machine.release()).toBe(ending.release);
    if (wasCut) cuts += 1;
    return ending;
  } finally {
    server.close();
  }
}

async function program(machine: TwoRoots, name: string, body: string): Promise<void> {
  await writeFile(join(machine.bin, name), `#!/bin/sh\n${body}\n`);
  await chmod(join(machine.bin, name), 0o755);
}

const count = (machine: TwoRoots): string => join(machine.folder, 'calls');
const callsOf = (machine: TwoRoots): Promise<string> => readFile(count(machine), 'utf8').catch(() => '');

/** A tool that counts its calls, and at one of them takes the client with it. */
async function counted(machine: TwoRoots, tool: string, cut: Cut['call']): Promise<void> {
  const die = (when: string) =>
    cut?.when === when ? `[ "$(wc -c <'${count(machine)}')" -eq ${cut.number} ] && kill -9 $PPID && exit 1` : ':';
  await machine.tool(
    tool,
    `printf ${tool === machine.tools[0] ? 'p' : 's'} >>'${count(machine)}'\n${die('before')}\n"$real" "$@"; code=$?\n${die('after')}\nexit $code`,
  );
}

/** Old and working or new and committed, and the server was told which. */
function whole({ report, release, name, state }: Ending): boolean {
  return report === 'success'
    ? release === 'release-2' && name === 'release-2' && state.startsWith('b 0 ')
    : report === 'failure' && release === 'old' && name === 'release-1' && state === 'a 0 0';
}

const suite = (): void => {
  describe.each([
    ['a good update', 'exit 0', 'success'],
    ['a commit that is refused', 'exit 1', 'failure'],
  ])('UC-67 … UC-75, UC-92: %s', (_, script, report) => {
    const survives = async (cut: Cut, place: string): Promise<Ending> => {
      const ending = await update(script, cut);
      expect(whole(ending), `${place}: ${JSON.stringify(ending)}`).toBe(true);
      if (report === 'failure') expect(ending.report).toBe('failure');
      return ending;
    };

    it('ends as it should without a cut', async () => {
      expect((await survives({}, 'no cut')).report).toBe(report);
    });

    it('cut at every write of the journal, before and after the reboot', async () => {
      for (const start of [0, 1])
        for (let number = 1; ; number += 1)
          if (!(await survives({ write: { start, number } }, `start ${start}, write ${number}`)).cut) {
            expect(number).toBeGreaterThan(3);
            break;
          }
    });

    it("cut before and after every call of the boot loader's tools", async () => {
      const { calls } = await update(script, {});
      expect(calls).toMatch(/s.*s/);
      for (const [index, kind] of calls.split('').entries())
        // After one that only reads it is as before the next one.
        for (const when of kind === 's' ? (['before', 'after'] as const) : (['before'] as const)) {
          const place = `${when} call ${index + 1} of ${calls}`;
          expect((await survives({ call: { number: index + 1, when } }, place)).cut).toBe(true);
        }
    });
  });

  it('cut in the middle of the image: the old one runs, and says so', async () => {
    const ending = await update('exit 0', { half: true });
    expect(ending).toMatchObject({ cut: true, report: 'failure', release: 'old', name: 'release-1', state: 'a 0 0' });
  });
};

await describePeers('a machine with two root file systems', ['libubootenv-tool'], suite, loopsMissing());
