import { spawn } from 'node:child_process';
import { text } from 'node:stream/consumers';
import { failed } from '../failure.ts';
import type { Demo } from './demo.ts';

export interface Said {
  readonly code: number | null;
  readonly out: string;
  readonly err: string;
}

const patience = 45_000;

/** The environment of somebody who is logged in to the demo. */
export const operatorEnvironment = ({ programs, url, token }: Demo): Record<string, string> => ({
  ...programs.environment,
  PATCHBAY_SERVER: url,
  PATCHBAY_TOKEN: token,
});

/** Runs `patchbay` as a process of its own, logged in to the demo. */
export async function patchbay(demo: Demo, args: readonly string[], signal: AbortSignal): Promise<Said> {
  const { node, patchbay: program } = demo.programs;
  const child = spawn(node, [...program, ...args], {
    cwd: demo.folder,
    env: operatorEnvironment(demo),
    stdio: ['ignore', 'pipe', 'pipe'],
    signal: AbortSignal.any([signal, AbortSignal.timeout(patience)]),
  });
  const ended = new Promise<number | null>((resolve, reject) => child.once('close', resolve).once('error', reject));
  const [out, err, code] = await Promise.all([text(child.stdout), text(child.stderr), ended]);
  return { code, out, err };
}

/** As `patchbay`; throws what it said unless it ended with that exit code. */
export async function expectExit(
  demo: Demo,
  code: number,
  args: readonly string[],
  signal: AbortSignal,
): Promise<Said> {
  const said = await patchbay(demo, args, signal);
  if (said.code === code) return said;
  throw failed(`'patchbay ${args.join(' ')}' ended with ${said.code}: ${(said.err + said.out).trim()}`);
}
