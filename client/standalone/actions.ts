import { existsSync } from 'node:fs';
import type { Actions } from '#base/machine';
import type { clientParts } from '../daemon.ts';
import { reasonOf } from '../disk-full.ts';
import { paths } from '../places.ts';
import { rootfsType } from '../rootfs/rootfs-image.ts';
import { artifactNameOf } from '../update/journal.ts';
import type { PayloadHandler } from '../update/handler.ts';
import { inconsistent, withArtifact } from '../update/provides.ts';
import { rebootWanted } from '../update/reboot.ts';
import { moduleOf } from '../update/stage.ts';
import type { Group } from '../update/scripts.ts';
import { makeCurrent } from '../update/tree.ts';
import { storedForm, type Installation } from './installation.ts';
import { receive, type Source } from './source.ts';
import { storedStates, type standalone, type Stop } from './table.ts';

export type Parts = ReturnType<typeof clientParts>;

/** Every state of the standalone machine and what it does. `source` is there for `install` only. */
export function standaloneActions(parts: Parts, source?: Source): Actions<typeof standalone, Installation> {
  const { scripts, log, journal } = parts;
  return {
    download: async (installation, signal) => {
      try {
        return await receive(parts, installation, source, signal);
      } catch (error) {
        return fail(installation, error, 'Streaming failed.');
      }
    },
    discard: async (installation, signal) => {
      await tolerated(() => callModule(installation, 'Cleanup', signal));
      installation.say('System not modified.');
      return 'done';
    },
    beforeInstall: (installation) =>
      pauseAt(installation, 'ArtifactInstall_Enter', 'Streamed to storage, but not installed/enabled.'),
    install: (installation, signal) =>
      group(installation, signal, 'Installation failed.', 'ArtifactInstall_Error', async () => {
        save(installation, 'ArtifactInstall_Enter');
        await scripts.run('ArtifactInstall_Enter', log, signal);
        await callModule(installation, 'ArtifactInstall', signal);
        await scripts.run('ArtifactInstall_Leave', log, signal);
        save(installation, 'Before_ArtifactCommit_Enter');
      }),
    askModule: async (installation, signal) => {
      try {
        const module = moduleFor(installation);
        installation.rebootWanted = (await rebootWanted(module, signal)) !== 'none';
        if ((await module.ask('SupportsRollback', ['Yes', 'No'], signal)) === 'Yes') return 'rollbackSupported';
        if (!installation.stopBefore.has('ArtifactCommit_Enter'))
          installation.say("Update Module doesn't support rollback. Committing immediately.");
        return 'rollbackUnsupported';
      } catch (error) {
        return fail(installation, error, 'Installation failed.');
      }
    },
    offerCommit: async (installation) => {
      installation.say('Installed, but not committed.');
      installation.say("Use 'commit' to update, or 'rollback' to roll back the update.");
      return 'stop';
    },
    beforeCommit: (installation) => pauseAt(installation, 'ArtifactCommit_Enter', 'Installed, but not committed.'),
    commit: (installation, signal) =>
      group(installation, signal, 'Committing failed.', 'ArtifactCommit_Error', async () => {
        save(installation, 'ArtifactCommit_Enter');
        await scripts.run('ArtifactCommit_Enter', log, signal);
        scripts.checkVersion();
        await callModule(installation, 'ArtifactCommit', signal);
        installation.say(installation.fresh ? 'Installed and committed.' : 'Committed.');
      }),
    beforeCommitLeave: (installation) => pauseAt(installation, 'ArtifactCommit_Leave'),
    commitLeave: (installation, signal) =>
      group(installation, signal, 'One or more post-commit steps failed.', undefined, async () => {
        save(installation, 'ArtifactCommit_Leave');
        await scripts.run('ArtifactCommit_Leave', log, signal);
      }),
    checkRollback: async (installation, signal) => {
      installation.failed = true;
      try {
        if ((await moduleFor(installation).ask('SupportsRollback', ['Yes', 'No'], signal)) === 'Yes')
          return 'supported';
        installation.say('Update Module does not support rollback. System may be in an inconsistent state.');
        return 'unsupported';
      } catch (error) {
        return fail(installation, error, 'Rollback failed. System may be in an inconsistent state.');
      }
    },
    beforeRollback: (installation) => pauseAt(installation, 'ArtifactRollback_Enter'),
    rollback: async (installation, signal) => {
      const went = [
        await tolerated(() => save(installation, 'ArtifactRollback_Enter')),
        await tolerated(() => scripts.run('ArtifactRollback_Enter', log, signal)),
        await tolerated(() => callModule(installation, 'ArtifactRollback', signal)),
        await tolerated(() => scripts.run('ArtifactRollback_Leave', log, signal)),
      ];
      signal.throwIfAborted();
      if (went.includes(false)) {
        installation.failed = true;
        installation.say('Rollback failed. System may be in an inconsistent state.');
        return 'failed';
      }
      installation.rolledBack = true;
      installation.say('Rolled back.');
      return installation.wished ? 'wished' : 'done';
    },
    beforeFailure: (installation) => pauseAt(installation, 'ArtifactFailure_Enter'),
    failure: async (installation, signal) => {
      const went = [
        await tolerated(() => save(installation, 'ArtifactFailure_Enter')),
        await tolerated(() => scripts.run('ArtifactFailure_Enter', log, signal)),
        await tolerated(() => callModule(installation, 'ArtifactFailure', signal)),
        await tolerated(() => scripts.run('ArtifactFailure_Leave', log, signal)),
      ];
      if (went.includes(false)) installation.rolledBack = false;
      return 'done';
    },
    beforeCleanup: (installation) => pauseAt(installation, 'Cleanup'),
    cleanup: async (installation, signal) => {
      await tolerated(() => save(installation, 'Cleanup'));
      if (!(await tolerated(() => callModule(installation, 'Cleanup', signal)))) {
        signal.throwIfAborted();
        installation.failed = true;
        installation.say('Cleanup failed.');
      }
      const { artifact, failed, rolledBack } = installation;
      // The end of the update and what the device is now are one write.
      journal.write(({ standalone: _, ...record }) => {
        if (rolledBack || !artifact) return record;
        return failed ? inconsistent(record, artifact) : withArtifact(record, artifact);
      });
      return 'done';
    },
  };

  function moduleFor(installation: Installation): PayloadHandler {
    const [type] = installation.artifact?.PayloadTypes ?? [];
    const module = moduleOf(parts, type);
    if (type === rootfsType && !existsSync(module.tree)) {
      const record = journal.read();
      const group = record.artifactGroup ?? '';
      makeCurrent(paths.tree(parts.places), { name: artifactNameOf(record), group, deviceType: parts.deviceType() });
    }
    return module;
  }

  async function callModule(
    installation: Installation,
    state: Parameters<PayloadHandler['call']>[0],
    signal: AbortSignal,
  ): Promise<void> {
    if (installation.artifact?.PayloadTypes[0] === undefined) return;
    await moduleFor(installation).call(state, signal);
  }

  function save(installation: Installation, inState: string): void {
    journal.write((record) => ({ ...record, standalone: storedForm(installation, inState) }));
  }

  function fail(installation: Installation, error: unknown, say: string): 'failed' {
    log.error('update step failed', { error: reasonOf(error, parts.places.store) });
    installation.failed = true;
    installation.say(say);
    return 'failed';
  }

  /** A group of steps whose failure has its Error scripts. */
  async function group(
    installation: Installation,
    signal: AbortSignal,
    say: string,
    errors: Group | undefined,
    act: () => Promise<void>,
  ): Promise<'done' | 'failed'> {
    try {
      await act();
      return 'done';
    } catch (error) {
      signal.throwIfAborted();
      fail(installation, error, say);
      if (errors) await scripts.run(errors, log, signal);
      return 'failed';
    }
  }

  async function tolerated(act: () => Promise<void> | void): Promise<boolean> {
    try {
      await act();
      return true;
    } catch (error) {
      log.error('update step failed, going on', { error: reasonOf(error, parts.places.store) });
      return false;
    }
  }

  /** Waits for the user here if he said so. */
  async function pauseAt(installation: Installation, stop: Stop, say?: string): Promise<'go' | 'stop'> {
    if (!installation.stopBefore.has(stop)) return 'go';
    if (say !== undefined) installation.say(say);
    const waits = `Before_${stop}` in storedStates ? `Before_${stop}` : stop;
    // This run's exit code tells the failure, so the next one starts clean (§6.4), unless nothing after this place could
    // tell an inconsistent device from a good one.
    const decided = stop === 'ArtifactFailure_Enter' || stop === 'Cleanup';
    const Failed = decided && installation.failed && !installation.rolledBack;
    journal.write((record) => ({ ...record, standalone: { ...storedForm(installation, waits), Failed } }));
    return 'stop';
  }
}
