import type { TSchema } from 'typebox';
import type { Protocol } from '#proto';

export type Half = 'device' | 'server' | 'web' | 'cli';

/** What an add-on is. Data only: a host reads it before it loads any half. */
export interface Manifest<
  P extends Protocol = Protocol,
  C extends TSchema = TSchema,
  N extends Readonly<Record<string, string>> = Readonly<Record<string, string>>,
> {
  /** Version of this contract. */
  readonly api: 1;
  /** `terminal`: configuration section, URL segment, log scope. Lower case, digits and dashes. */
  readonly id: string;
  /** Which other entry points there are, each a module beside this one. */
  readonly halves: readonly Half[];
  /** What it speaks on the session socket, if anything. */
  readonly protocol?: P;
  /** Its sessions outlive a lost link, where both ends are ours (`proto/resume.ts`); else they end with it. */
  readonly resumes?: boolean;
  /** JSON Schema of its section; the host checks it and fills the defaults. */
  readonly config: C;
  /** Commands of its cli half, each with the line that `--help` shows, which loads no half. */
  readonly commands?: N;
}

export const defineManifest = <
  const P extends Protocol,
  const C extends TSchema,
  const N extends Readonly<Record<string, string>>,
>(
  manifest: Manifest<P, C, N>,
): Manifest<P, C, N> => manifest;
