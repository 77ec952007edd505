import { failed } from '../failure.ts';
import type { Demo } from './demo.ts';
import type { Said } from './processes.ts';

const patience = 45_000;

/** The environment of somebody who is logged in to the demo. */
export const operatorEnvironment = ({ programs, url, token }: Demo): Record<string, string> => ({
  ...programs.environment,
  PATCHBAY_SERVER: url,
  PATCHBAY_TOKEN: token,
});

/** Runs `patchbay` as a process of its own, logged in to the demo. */
export function patchbay(demo: Demo, args: readonly string[], signal: AbortSignal): Promise<Said> {
  const { node, patchbay: program } = demo.programs;
  return demo.processes.run(node, [...program, ...args], {
    cwd: demo.folder,
    env: operatorEnvironment(demo),
    signal: AbortSignal.any([signal, AbortSignal.timeout(patience)]),
  });
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
