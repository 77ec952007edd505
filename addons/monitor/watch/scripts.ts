import { accessSync, constants, realpathSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { runProgram } from './programs.ts';
import { shortened } from './remote-looks.ts';
import type { CheckOf } from './system-looks.ts';
import { unknown, well, type Watched } from './watched.ts';

const defaultTimeout = 30;

/** One of the device's own scripts: 0 is well, 1 a warning, anything else critical; what it prints says why. */
export function script(check: CheckOf<'script'>, folder: string): Watched {
  const { script: name, arguments: args = [], timeout = defaultTimeout, level = 'CRITICAL' } = check;
  return {
    title: `Script ${[name, ...args].join(' ')} says that something is wrong`.slice(0, 1024),
    flappingTitle: `Script ${name} going up and down`,
    subject: { name, type: 'script' },
    async look(signal) {
      const file = join(folder, name);
      const problem = scriptProblem(folder, name);
      if (problem) return unknown(problem);
      const { code, timedOut, failed, output } = await runProgram(file, {
        args,
        cwd: folder,
        timeout: timeout * 1000,
        signal,
      });
      const said = shortened(output.trim()) || 'it printed nothing';
      if (failed) return unknown(`not started: ${failed}`);
      if (timedOut)
        return { level, status: 'timeout', description: `it did not end within ${timeout} s and was killed; ${said}` };
      if (code === 0) return well('0', said);
      if (code === null) return { level, status: 'killed', description: `a signal ended it; ${said}` };
      return { level: code === 1 ? 'WARNING' : level, status: String(code), description: said };
    },
  };
}

/** Why such a script cannot be run; undefined: it can. */
export function scriptProblem(folder: string, name: string): string | undefined {
  const file = join(folder, name);
  try {
    accessSync(file, constants.X_OK);
    // A link may lead out of the folder only if the device's owner made it; a name cannot.
    if (dirname(file) !== folder.replace(/\/+$/, '')) return `${name} is no script of ${folder}`;
    realpathSync(file);
    return undefined;
  } catch {
    return `there is no script ${file} that can be run`;
  }
}
