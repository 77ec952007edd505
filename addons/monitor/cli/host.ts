import type { CliHost } from '#addon/cli';

/** What the commands need of the operator's program: nothing of sessions. */
export type Host = Omit<CliHost, 'openSession' | 'openOther'>;
