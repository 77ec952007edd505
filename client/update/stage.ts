import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { CodedError, codeOf, messageOf } from '#base/errors';
import type { Log } from '#base/log';
import type { Access } from '../auth/access.ts';
import type { Config } from '../config.ts';
import type { Deployments } from '../deployments.ts';
import { reasonOf } from '../disk-full.ts';
import type { Places } from '../places.ts';
import { paths } from '../places.ts';
import type { Clock } from '../retries.ts';
import { RootfsImage, rootfsType } from '../rootfs/rootfs-image.ts';
import type { Transport } from '../transport.ts';
import { blame, storedForm, type Deployment } from './deployment.ts';
import type { Journal, StoredRecord } from './journal.ts';
import type { Holds } from './holds.ts';
import type { DeploymentLog } from './log.ts';
import type { PayloadHandler } from './handler.ts';
import type { Group, StateScripts } from './scripts.ts';
import type { Status } from './status.ts';
import { StreamedModule } from './stream.ts';
import { storedNames, storesAllowed } from './table.ts';

/** What the actions of a deployment work with. */
export interface Bench {
  readonly config: Config;
  readonly places: Places;
  readonly clock: Clock;
  readonly transport: Transport;
  readonly access: Access;
  readonly deployments: Deployments;
  readonly journal: Journal;
  readonly scripts: StateScripts;
  readonly deviceType: () => string;
  readonly status: Status;
  readonly holds: Holds;
  /** PEM texts of `ArtifactVerifyKeys`; read for each update. */
  readonly verifyKeys: () => readonly string[];
  /** This deployment's. */
  readonly log: DeploymentLog;
}

/** Stores where a deployment is, with `change` to the rest of the record in the same step. Throws `update_loop`. */
export function store(
  bench: Bench,
  deployment: Deployment,
  name: string,
  change: (record: StoredRecord) => StoredRecord = (record) => record,
): void {
  if (deployment.stores >= storesAllowed)
    throw new CodedError('update_loop', `the update was stored ${deployment.stores} times and does not end`);
  deployment.stores += 1;
  bench.journal.write((record) => ({ ...change(record), deployment: storedForm(deployment, name) }));
}

/** Stored without being counted: see `holdNames`. */
export function keep(bench: Bench, deployment: Deployment, name: string): void {
  bench.journal.write((record) => ({ ...record, deployment: storedForm(deployment, name) }));
}

type Act<E> = (deployment: Deployment, signal: AbortSignal) => Promise<E>;
type Failing<E> = (deployment: Deployment, signal: AbortSignal) => Promise<E | 'failed'>;
type Stored<E> = (deployment: Deployment, signal: AbortSignal) => Promise<E | 'looped'>;

/** An action whose error is the event `failed`, told to the outcome, after the Error scripts of its state. */
export function failing<E>(bench: Bench, errorScripts: Group | undefined, act: Act<E>): Failing<E> {
  return async (deployment, signal) => {
    try {
      return await act(deployment, signal);
    } catch (error) {
      if (signal.aborted || codeOf(error) === 'update_loop') throw error;
      const reason = reasonOf(error, bench.places.store);
      bench.log.error('update step failed', { error: reason });
      blame(deployment, reason);
      deployment.outcome.failure();
      if (errorScripts) await bench.scripts.run(errorScripts, bench.log, signal);
      return 'failed';
    }
  };
}

/** An action that may store: when it does so too often, that is the event `looped`. */
export function stored<E>(bench: Bench, act: Act<E>): Stored<E> {
  return async (deployment, signal) => {
    try {
      return await act(deployment, signal);
    } catch (error) {
      if (codeOf(error) !== 'update_loop') throw error;
      bench.log.error('update gives up', { error: messageOf(error) });
      blame(deployment, error);
      return 'looped';
    }
  };
}

/** Stored first, then done; an error in either is `failed` after the Error scripts. */
export const step = <E>(bench: Bench, state: keyof typeof storedNames, errorScripts: Group | undefined, act: Act<E>) =>
  stored(
    bench,
    failing(bench, errorScripts, async (deployment, signal) => {
      store(bench, deployment, storedNames[state]);
      return act(deployment, signal);
    }),
  );

/** One step of a way that is gone to its end whatever fails: the failure is told to the outcome. True: it went well. */
export async function attempt(
  bench: Bench,
  deployment: Deployment,
  signal: AbortSignal,
  act: () => Promise<void> | void,
): Promise<boolean> {
  try {
    await act();
    return true;
  } catch (error) {
    if (signal.aborted || codeOf(error) === 'update_loop') throw error;
    bench.log.error('update step failed, going on', { error: messageOf(error) });
    blame(deployment, error);
    deployment.outcome.failure();
    return false;
  }
}

/**
 * Who handles the payload of a deployment, by its type. Root file systems are the client's own work, unless the device
 * has a module of that name: whoever puts one there wants it. Throws `module` when there is no payload.
 */
export function moduleOf(
  bench: Pick<Bench, 'config' | 'places' | 'clock'> & { readonly log: Log },
  type: string | undefined,
): PayloadHandler {
  if (type === undefined) throw new CodedError('module', 'the artifact has no payload, and so no update module');
  const { config, places, clock, log } = bench;
  const folder = paths.modules(places);
  const common = { tree: paths.tree(places), timeout: config.ModuleTimeoutSeconds * clock.second, log };
  if (type === rootfsType && !existsSync(join(folder, type))) return new RootfsImage({ ...common, config });
  return new StreamedModule({ ...common, folder, type, grace: 10 * clock.second });
}

export const moduleFor = (bench: Bench, deployment: Deployment): PayloadHandler =>
  moduleOf(bench, deployment.artifact?.PayloadTypes[0]);
