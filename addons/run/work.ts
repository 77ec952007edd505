import type { CliHost } from '#addon/cli';
import type manifest from './manifest.ts';

export type Host = CliHost<typeof manifest>;

export interface Work {
  readonly command: readonly string[];
  readonly shell: boolean;
  /** Seconds. */
  readonly timeout: number | undefined;
  /** What it reads. */
  readonly input: Buffer | undefined;
}

/** Takes what a command says as it comes; a promise asks to wait. */
export type Take = (stream: 'output' | 'errors', bytes: Uint8Array) => void | Promise<void>;

export interface Ended {
  readonly code: number;
  readonly timedOut: boolean;
}
