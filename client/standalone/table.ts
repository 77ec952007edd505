import { machine } from '#base/machine';

/** A standalone update (`update-client.md` §6.2). `stop` is a place where the user takes over. */
export const standalone = machine({
  download: { done: 'beforeInstall', empty: 'end', failed: 'discard' },
  beforeInstall: { go: 'install', stop: 'end' },
  install: { done: 'askModule', failed: 'checkRollback' },
  askModule: { rollbackSupported: 'offerCommit', rollbackUnsupported: 'beforeCommit', failed: 'checkRollback' },
  offerCommit: { stop: 'end' },
  beforeCommit: { go: 'commit', stop: 'end' },
  commit: { done: 'beforeCommitLeave', failed: 'checkRollback' },
  beforeCommitLeave: { go: 'commitLeave', stop: 'end' },
  commitLeave: { done: 'beforeCleanup', failed: 'beforeCleanup' },

  checkRollback: { supported: 'beforeRollback', unsupported: 'beforeFailure', failed: 'beforeFailure' },
  beforeRollback: { go: 'rollback', stop: 'end' },
  rollback: { wished: 'beforeCleanup', done: 'beforeFailure', failed: 'beforeFailure' },
  beforeFailure: { go: 'failure', stop: 'end' },
  failure: { done: 'beforeCleanup' },

  beforeCleanup: { go: 'cleanup', stop: 'end' },
  cleanup: { done: 'end' },
  discard: { done: 'end' },
  end: {},
});
export type State = keyof typeof standalone;

/** Where `--stop-before` can stop. */
export const stops = [
  'ArtifactInstall_Enter',
  'ArtifactCommit_Enter',
  'ArtifactCommit_Leave',
  'ArtifactRollback_Enter',
  'ArtifactFailure_Enter',
  'Cleanup',
] as const;
export type Stop = (typeof stops)[number];

/** What each command does with what it finds stored (§6.3); nothing: it refuses. */
interface Commands {
  readonly resume: State;
  readonly commit?: State;
  readonly rollback?: State;
}

/** `Before_` is stored where the update waits, the bare name once work has begun. Each may be stopped at once more. */
export const storedStates: Readonly<Record<string, Commands>> = {
  Before_ArtifactInstall_Enter: { resume: 'beforeInstall', rollback: 'beforeRollback' },
  ArtifactInstall_Enter: { resume: 'checkRollback', rollback: 'beforeRollback' },
  Before_ArtifactCommit_Enter: { resume: 'beforeCommit', commit: 'beforeCommit', rollback: 'beforeRollback' },
  ArtifactCommit_Enter: { resume: 'checkRollback', commit: 'checkRollback', rollback: 'beforeRollback' },
  Before_ArtifactCommit_Leave: { resume: 'beforeCommitLeave', rollback: 'beforeRollback' },
  ArtifactCommit_Leave: { resume: 'commitLeave' },
  ArtifactRollback_Enter: { resume: 'beforeRollback', rollback: 'beforeRollback' },
  ArtifactFailure_Enter: { resume: 'beforeFailure' },
  Cleanup: { resume: 'beforeCleanup' },
};
