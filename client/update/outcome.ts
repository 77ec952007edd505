export type Verdict = 'clean' | 'failed' | 'rolledBack' | 'rollbackFailed';

/**
 * What a deployment has come to, kept beside the machine (`update-client.md` §2.3): a failure that does not change the
 * path, such as a rollback script's, still decides what the device is called afterwards.
 */
export class Outcome {
  #verdict: Verdict;
  constructor(verdict: Verdict = 'clean') {
    this.#verdict = verdict;
  }

  get verdict(): Verdict {
    return this.#verdict;
  }

  get failed(): boolean {
    return this.#verdict !== 'clean';
  }

  /** Neither the new system is whole nor the old one is back. */
  get inconsistent(): boolean {
    return this.#verdict === 'failed' || this.#verdict === 'rollbackFailed';
  }

  failure(): void {
    if (this.#verdict === 'clean') this.#verdict = 'failed';
    else if (this.#verdict === 'rolledBack') this.#verdict = 'rollbackFailed';
  }

  /** A rollback begins, or is not needed; what fails from here on fails the rollback. */
  rollbackStarted(): void {
    if (this.#verdict === 'failed') this.#verdict = 'rolledBack';
  }

  /** No way back is left: loop, or a rollback that never ends. */
  lost(): void {
    this.#verdict = 'rollbackFailed';
  }
}
