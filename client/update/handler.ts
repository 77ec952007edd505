import type { PayloadFile } from '#artifact';
import type { ModuleState } from './module.ts';

/**
 * Who takes the payload of an artifact and answers for it: a program of the device (an update module), or the client's
 * own for root file systems. States and queries are those of the module protocol (`update-client.md` §4.1).
 */
export interface PayloadHandler {
  /** The work folder, there from the header to `Cleanup`. */
  readonly tree: string;
  /** Throws if this device cannot take such a payload at all. */
  check(): void;
  /** Takes the payload files while they arrive. All of them are verified when it returns; throws when one fails. */
  receive(files: AsyncIterable<PayloadFile>, signal: AbortSignal): Promise<void>;
  /** Does what a state asks for; throws when it fails. `Cleanup` removes the tree in any case. */
  call(state: Exclude<ModuleState, 'Download' | 'DownloadWithFileSizes'>, signal: AbortSignal): Promise<void>;
  /** One word of `words`, or nothing (undefined). */
  ask<const W extends string>(
    query: 'NeedsArtifactReboot' | 'SupportsRollback',
    words: readonly W[],
    signal: AbortSignal,
  ): Promise<W | undefined>;
  /** Throws while a commit by hand would only fail and cost the user his update. */
  readyToCommit?(signal: AbortSignal): Promise<void>;
}
