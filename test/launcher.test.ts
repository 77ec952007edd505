import { execFile, spawnSync } from 'node:child_process';
import { delimiter, join } from 'node:path';
import { promisify } from 'node:util';
import { describe, expect, it } from 'vitest';

const run = promisify(execFile);
const launcher = join(import.meta.dirname, '..', 'bin', 'patchbay.js');

interface Outcome {
  readonly code: number;
  readonly out: string;
  readonly err: string;
}

async function patchbay(args: readonly string[], node = process.execPath): Promise<Outcome> {
  try {
    const { stdout, stderr } = await run(node, [launcher, ...args]);
    return { code: 0, out: stdout, err: stderr };
  } catch (error) {
    const { code, stdout, stderr } = error as { code: number; stdout: string; stderr: string };
    return { code, out: stdout, err: stderr };
  }
}

/** The machine's own Node, when that is another than the one the package brings. */
function olderNode(): string | undefined {
  const path = (process.env['PATH'] ?? '').split(delimiter).filter((folder) => !folder.endsWith('node_modules/.bin'));
  const probe = spawnSync('node', ['-p', 'process.execPath'], {
    env: { PATH: path.join(delimiter) },
    encoding: 'utf8',
  });
  const node = probe.stdout?.trim();
  if (!node) return undefined;
  const version = spawnSync(node, ['--version'], { encoding: 'utf8' }).stdout;
  return Number.parseInt(version.slice(1), 10) < 26 ? node : undefined;
}

describe('patchbay', () => {
  it('says its version', async () => {
    expect(await patchbay(['--version'])).toEqual({ code: 0, out: '0.1.0\n', err: '' });
  });

  it('lists every command, operators first', async () => {
    const { code, out } = await patchbay(['--help']);
    expect(code).toBe(0);
    expect(out).toMatch(/^usage: patchbay COMMAND/);
    for (const name of ['login', 'devices', 'server', 'client', 'connect', 'artifact']) {
      expect(out).toMatch(new RegExp(`^  ${name} +\\S`, 'm'));
    }
  });

  it('without a command shows the same as an error', async () => {
    const { code, out, err } = await patchbay([]);
    expect({ code, out }).toEqual({ code: 2, out: '' });
    expect(err).toMatch(/^usage/);
  });

  it('guesses what a mistyped command was meant to be', async () => {
    const { code, err } = await patchbay(['sever']);
    expect(code).toBe(2);
    expect(err).toBe("patchbay: there is no command 'sever', did you mean server?; patchbay --help lists all\n");
  });

  it('says so in one line when a room cannot do what was asked, and shows no stack', async () => {
    const { code, err } = await patchbay(['server', '--data', '/dev/null/data', '--listen', '127.0.0.1:0']);
    expect(code).toBe(1);
    expect(err).not.toMatch(/^\s+at /m);
    expect(err.trim().split('\n')).toHaveLength(1);
  });

  // Nothing is missing where the machine has no older Node: there is nothing to be started by.
  it.skipIf(!olderNode())(
    "started by the machine's older Node, if it has one, goes on with the one it brought",
    async () => {
      const old = olderNode() ?? '';
      expect(await patchbay(['--version'], old)).toEqual({ code: 0, out: '0.1.0\n', err: '' });
      expect((await patchbay(['sever'], old)).code).toBe(2);
    },
  );
});
