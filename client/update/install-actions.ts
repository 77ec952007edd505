import { dependsMismatch, openArtifact } from '#artifact';
import { CodedError } from '#base/errors';
import { artifactOf, type Deployment } from './deployment.ts';
import { download } from './download.ts';
import { artifactNameOf } from './journal.ts';
import { storedProvides } from './provides.ts';
import { reboot, rebootWanted } from './reboot.ts';
import { failing, moduleFor, moduleOf, step, store, type Bench } from './stage.ts';
import { makeCurrent, makeTree, type Current } from './tree.ts';
import { paths } from '../places.ts';
import { rootfsType } from '../rootfs/rootfs-image.ts';
import { existsSync } from 'node:fs';

/** The way forward: from the download to the commit. */
export function installActions(bench: Bench) {
  const { scripts, log } = bench;
  const downloading = step(bench, 'download', 'Download_Error', async (deployment, signal) => {
    await scripts.run('Download_Enter', log, signal);
    const outcome = await fetchArtifact(bench, deployment, signal);
    await scripts.run('Download_Leave', log, signal);
    return outcome;
  });
  return {
    download: async (deployment: Deployment, signal: AbortSignal) => {
      const event = await downloading(deployment, signal);
      // Nothing was changed yet, so there is nothing to roll back.
      if (event === 'failed') deployment.outcome.rollbackStarted();
      return event;
    },
    install: step(bench, 'install', 'ArtifactInstall_Error', async (deployment, signal) => {
      await scripts.run('ArtifactInstall_Enter', log, signal);
      await moduleFor(bench, deployment).call('ArtifactInstall', signal);
      await scripts.run('ArtifactInstall_Leave', log, signal);
      return 'done' as const;
    }),
    checkReboot: failing(bench, undefined, async (deployment, signal) => {
      deployment.reboot = await rebootWanted(moduleFor(bench, deployment), signal);
      return deployment.reboot === 'none' ? ('unwanted' as const) : ('wanted' as const);
    }),
    reboot: step(bench, 'reboot', 'ArtifactReboot_Error', async (deployment, signal) => {
      await scripts.run('ArtifactReboot_Enter', log, signal);
      await reboot(deployment, moduleFor(bench, deployment), 'ArtifactReboot', bench.clock, signal);
      return 'done' as const;
    }),
    rebootGivenUp: async (_: Deployment, signal: AbortSignal) => {
      await scripts.run('ArtifactReboot_Error', log, signal);
      return 'done' as const;
    },
    verifyReboot: step(bench, 'verifyReboot', 'ArtifactReboot_Error', async (deployment, signal) => {
      repairTree(bench, deployment);
      await moduleFor(bench, deployment).call('ArtifactVerifyReboot', signal);
      await scripts.run('ArtifactReboot_Leave', log, signal);
      return 'done' as const;
    }),
    commit: step(bench, 'commit', 'ArtifactCommit_Error', async (deployment, signal) => {
      await scripts.run('ArtifactCommit_Enter', log, signal);
      scripts.checkVersion();
      await moduleFor(bench, deployment).call('ArtifactCommit', signal);
      return 'done' as const;
    }),
    afterCommit: step(bench, 'afterCommit', 'ArtifactCommit_Error', async (_, signal) => {
      await scripts.run('ArtifactCommit_Leave', log, signal);
      return 'done' as const;
    }),
  };
}

/** Header, checks, tree, payload. Nothing of the payload reaches a module before manifest and signature hold. */
async function fetchArtifact(bench: Bench, deployment: Deployment, signal: AbortSignal): Promise<'done' | 'empty'> {
  const { config, transport, clock, log, journal, scripts } = bench;
  const keys = bench.verifyKeys();
  const source = download(deployment.source.uri, {
    transport,
    config,
    clock,
    log,
    signal,
    progress: (received, length) => bench.status.downloaded(received, length),
  });
  try {
    const artifact = await openArtifact(source, keys.length > 0 ? { keys } : {});
    const { header } = artifact;
    log.info('artifact header read', { name: header.name, payload: header.payload.type, verified: header.verified });
    const record = journal.read();
    const deviceType = bench.deviceType();
    const mismatch = dependsMismatch(header, { device_type: deviceType, provides: storedProvides(record) });
    if (mismatch) throw new CodedError('depends', `artifact ${header.name} ${mismatch}`);
    deployment.artifact = artifactOf(header);
    store(bench, deployment, 'update-store');
    scripts.store(header.scripts);
    const { type } = header.payload;
    if (type === null) {
      for await (const file of artifact.files()) throw new CodedError('artifact', `unexpected file ${file.name}`);
      return 'empty';
    }
    const module = moduleOf(bench, type);
    makeTree(module.tree, artifact, currentOf(bench));
    await module.receive(artifact.files(), signal);
    return 'done';
  } finally {
    await source.return();
  }
}

function currentOf(bench: Bench): Current {
  const record = bench.journal.read();
  return { name: artifactNameOf(record), group: record.artifactGroup ?? '', deviceType: bench.deviceType() };
}

/** A root file system update may have come from a client that kept its tree elsewhere. */
function repairTree(bench: Bench, deployment: Deployment): void {
  const tree = paths.tree(bench.places);
  if (deployment.artifact?.PayloadTypes[0] === rootfsType && !existsSync(tree)) makeCurrent(tree, currentOf(bench));
}
