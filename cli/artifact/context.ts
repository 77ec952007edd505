import type { Terminal } from './progress.ts';

/** What a command may use of the process it runs in. */
export interface Context {
  readonly terminal: Terminal;
  readonly environment: NodeJS.ProcessEnv;
  readonly signal: AbortSignal;
}
