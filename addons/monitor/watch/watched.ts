import type { Log } from '#base/log';
import type { Level } from '../alert.ts';
import type { Finding } from './judge.ts';
import type { State } from './ledger.ts';
import type { Rounds } from './rounds.ts';

/** A check, ready to be made: one that looks now and then, or one that is told. */
export interface Watched {
  /** Name of its alert, good and bad. */
  readonly title: string;
  /** Of an alert that it goes up and down; absent: it is not looked for. */
  readonly flappingTitle?: string;
  readonly subject: { readonly name: string; readonly type: string };
  /** Seconds between two looks. */
  readonly every?: number;
  /** Answers `UNKNOWN` with the reason if it cannot tell; a throw is the same. */
  look?(signal: AbortSignal): Finding | Promise<Finding>;
  /** Until the signal aborts; a throw is `UNKNOWN`, and it is begun again later. */
  follow?(host: FollowHost, signal: AbortSignal): Promise<void>;
}

/** What a check that is told may use. */
export interface FollowHost {
  /** What has come of it; with `memory` the place up to which that counts, kept in one step with the alert. */
  say(finding: Finding, memory?: State): Promise<void>;
  /** It was bad for a moment, and is well again: only how often that happens counts. */
  flicker(): void;
  /** Remembers a place without a word; brought to the disk some time later. */
  note(memory: State): void;
  readonly memory: State | undefined;
  /** What was said of it last. */
  readonly level: () => Level;
  readonly rounds: Rounds;
  readonly log: Log;
}

export const well = (status: string, description: string): Finding => ({ level: 'OK', status, description });
export const unknown = (description: string): Finding => ({ level: 'UNKNOWN', status: 'unknown', description });
