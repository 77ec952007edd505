import { EventEmitter } from 'node:events';
import type { UpdateState } from '#proto/update1';
import type { Deployment } from './deployment.ts';
import { artifactNameOf, type Journal, type LastResult } from './journal.ts';
import type { State } from './table.ts';

/** What somebody in front of the device may want to know. Empty texts: nothing to tell. */
export interface Snapshot {
  readonly state: UpdateState;
  readonly deployment: string;
  /** Being installed. */
  readonly artifact: string;
  readonly installed: string;
  /** Of the download, percent. */
  readonly progress: number;
  readonly last: LastResult;
  readonly configurationError: string;
}

/** The machine's states in the words that are shown; a hold is none until it really holds. */
const shown: Readonly<Partial<Record<State, UpdateState>>> = {
  reportDownloading: 'downloading',
  download: 'downloading',
  reportInstalling: 'installing',
  install: 'installing',
  reportRebooting: 'rebooting',
  reboot: 'rebooting',
  verifyReboot: 'verifying',
  prepareCommit: 'committing',
  commit: 'committing',
  rebootGivenUp: 'rolling-back',
  checkRollback: 'rolling-back',
  rollback: 'rolling-back',
  rollbackReboot: 'rolling-back',
  verifyRollbackReboot: 'rolling-back',
  failure: 'failing',
  saveProvides: 'finishing',
  cleanup: 'finishing',
  giveUp: 'finishing',
};

const none: LastResult = { deployment: '', artifact: '', result: '', at: 0, reason: '' };

/** Where the client is, for whoever watches it. Emits `changed` after each change. */
export class Status extends EventEmitter<{ changed: [] }> {
  readonly #journal: Journal;
  readonly #configurationError: string;
  #state: UpdateState = 'idle';
  #deployment: Deployment | undefined;
  #progress = 0;
  #stored: Pick<Snapshot, 'installed' | 'last'> | undefined;
  constructor(journal: Journal, configurationError = '') {
    super();
    this.#journal = journal;
    this.#configurationError = configurationError;
  }

  get now(): Snapshot {
    this.#stored ??= this.#read();
    return {
      state: this.#state,
      deployment: this.#deployment?.id ?? '',
      artifact: this.#deployment?.artifact?.artifact_name ?? '',
      progress: this.#progress,
      configurationError: this.#configurationError,
      ...this.#stored,
    };
  }

  /** The machine enters a state. */
  entered(state: State, deployment: Deployment): void {
    if (state === 'reportDownloading') this.#progress = 0;
    this.#deployment = deployment;
    this.#state = shown[state] ?? this.#state;
    this.#changed();
  }

  /** The update is held. */
  waiting(before: 'install' | 'reboot'): void {
    this.#state = `waiting-to-${before}`;
    this.#changed();
  }

  /** Bytes of the artifact that have come, and how many there are; 0: the server does not say. */
  downloaded(received: number, length: number): void {
    const percent = length > 0 ? Math.floor((100 * received) / length) : 0;
    if (percent === this.#progress) return;
    this.#progress = percent;
    this.#changed();
  }

  idle(): void {
    this.#state = 'idle';
    this.#deployment = undefined;
    this.#progress = 0;
    this.#changed();
  }

  #changed(): void {
    this.#stored = undefined; // the journal may say something else by now
    this.emit('changed');
  }

  #read(): Pick<Snapshot, 'installed' | 'last'> {
    const record = this.#journal.read();
    return { installed: artifactNameOf(record), last: record.lastResult ?? none };
  }
}
