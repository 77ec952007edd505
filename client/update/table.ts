import { machine } from '#base/machine';
import type { Verdict } from './outcome.ts';

/** A state that is stored before it acts may find that it was stored too often: see `storesAllowed`. */
const stored = <const R extends object>(row: R): R & { readonly looped: 'giveUp' } => ({ ...row, looped: 'giveUp' });

/** A managed deployment, from the server's offer to its end (`update-client.md` §2.1). */
export const update = machine({
  reportDownloading: { done: 'download', aborted: 'cleanup' },
  download: stored({ done: 'holdInstall', empty: 'saveProvides', failed: 'cleanup' }),
  holdInstall: { go: 'reportInstalling', aborted: 'cleanup' },
  reportInstalling: { done: 'install', aborted: 'cleanup' },
  install: stored({ done: 'checkReboot', failed: 'checkRollback' }),
  checkReboot: { wanted: 'holdReboot', unwanted: 'prepareCommit', failed: 'checkRollback' },
  holdReboot: { go: 'reportRebooting', restarted: 'verifyReboot', aborted: 'checkRollback' },
  reportRebooting: { done: 'reboot', aborted: 'checkRollback' },
  reboot: stored({ done: 'verifyReboot', failed: 'checkRollback' }),
  rebootGivenUp: { done: 'checkRollback' },
  verifyReboot: stored({ done: 'prepareCommit', failed: 'checkRollback' }),
  prepareCommit: { done: 'commit', failed: 'checkRollback' },
  commit: stored({ done: 'afterCommit', failed: 'checkRollback' }),
  afterCommit: stored({ done: 'saveProvides', failed: 'saveProvides' }),

  checkRollback: { supported: 'rollback', unsupported: 'failure', failed: 'failure' },
  rollback: stored({ done: 'checkRollbackReboot', failed: 'failure' }),
  checkRollbackReboot: { wanted: 'rollbackReboot', unwanted: 'rolledBack', failed: 'failure' },
  rollbackReboot: stored({ done: 'verifyRollbackReboot' }),
  verifyRollbackReboot: stored({ done: 'rolledBack', again: 'rollbackReboot', failed: 'failure' }),
  rolledBack: { done: 'failure' },
  failure: stored({ done: 'saveProvides' }),

  saveProvides: stored({ done: 'cleanup', failed: 'cleanup' }),
  cleanup: stored({ done: 'report', failed: 'report' }),
  giveUp: { done: 'report' },
  report: { done: 'clear' },
  clear: { done: 'end' },
  end: {},
});
export type State = keyof typeof update;

/** What is written as `Name` before a state acts, in Mender's words: its clients of either era can read them. */
export const storedNames = {
  download: 'update-store',
  install: 'update-install',
  reboot: 'reboot',
  verifyReboot: 'after-reboot',
  commit: 'update-commit',
  afterCommit: 'update-after-commit',
  rollback: 'rollback',
  rollbackReboot: 'rollback-reboot',
  verifyRollbackReboot: 'after-rollback-reboot',
  failure: 'update-error',
  saveProvides: 'cleanup',
  cleanup: 'cleanup',
} as const satisfies Partial<Record<State, string>>;
/** Ours: what is written while an update waits for somebody on the device. Never counted as a store: it may wait for days. */
export const holdNames = { install: 'hold-install', reboot: 'hold-reboot' } as const;
/** Ours too: taken over from a client that had been told to hold it in its reboot. */
export const heldReboot = 'reboot-held';
export type StoredName = (typeof storedNames)[keyof typeof storedNames];

/** Stores allowed to one deployment; a good one with reboot needs about a dozen. The next one means: it never ends. */
export const storesAllowed = 28;

/** Where a deployment goes on after a cut, and what it has come to. `kept`: as stored, else by whether it rolled back. */
export interface Resumption {
  readonly state: State;
  readonly verdict: Verdict | 'kept';
}

const resumptions: Readonly<Record<string, Resumption>> = {
  'update-store': { state: 'cleanup', verdict: 'rolledBack' },
  [holdNames.install]: { state: 'holdInstall', verdict: 'clean' },
  [holdNames.reboot]: { state: 'holdReboot', verdict: 'clean' },
  // The power went while rebooting, or just before: either way the machine has been restarted now.
  reboot: { state: 'verifyReboot', verdict: 'clean' },
  // Nobody knows whether it was rebooted, and who held it is gone: the reboot has failed.
  [heldReboot]: { state: 'rebootGivenUp', verdict: 'failed' },
  'update-after-commit': { state: 'afterCommit', verdict: 'clean' },
  'update-after-first-commit': { state: 'afterCommit', verdict: 'clean' },
  rollback: { state: 'rollback', verdict: 'rolledBack' },
  'rollback-reboot': { state: 'verifyRollbackReboot', verdict: 'rolledBack' },
  'after-rollback-reboot': { state: 'verifyRollbackReboot', verdict: 'rolledBack' },
  'verify-rollback-reboot': { state: 'verifyRollbackReboot', verdict: 'rolledBack' },
  'update-error': { state: 'failure', verdict: 'kept' },
  cleanup: { state: 'cleanup', verdict: 'kept' },
};

/** Anything else was in the middle of a change: back to the old system. */
export const resumption = (name: string): Resumption =>
  Object.hasOwn(resumptions, name) && resumptions[name]
    ? resumptions[name]
    : { state: 'checkRollback', verdict: 'failed' };
