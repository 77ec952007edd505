import { accessSync, constants } from 'node:fs';
import { delimiter, join } from 'node:path';
import { CodedError } from '#base/errors';
import type { Log } from '#base/log';
import { runChild } from '../child.ts';

/** Variables of the boot loader that decide what starts (`update-client.md` §5.1). */
const names = [
  'mender_boot_part',
  'mender_boot_part_hex',
  'upgrade_available',
  'bootcount',
  'mender_check_saveenv_canary',
  'mender_saveenv_canary',
] as const;
export type Variable = (typeof names)[number];
/** Empty text: undefined. */
export type Variables = Readonly<Record<Variable, string>>;

interface Tools {
  readonly print: string;
  readonly set: string;
  /** To be named on the command line of `print`; without any it prints all there are. */
  readonly asked: readonly Variable[];
}

/** A service may run without these in its PATH; the tools of boot loaders live there. */
const systemFolders = ['/usr/sbin', '/sbin', '/usr/bin', '/bin'];
const timeout = 60_000;

/**
 * What the boot loader and we say to each other, through the boot loader's own programs: those of GRUB if they are
 * installed, else those of U-Boot.
 */
export class BootEnvironment {
  readonly #log: Log;
  constructor(log: Log) {
    this.#log = log;
  }

  /** Throws `boot_environment` when it cannot be read. */
  async read(): Promise<Variables> {
    const { print, asked } = tools();
    const text = await this.#run(print, asked);
    const found = new Map(
      text.split('\n').map((line): [string, string] => {
        const at = line.indexOf('=');
        return [line.slice(0, at), line.slice(at + 1)];
      }),
    );
    return Object.fromEntries(names.map((name) => [name, (found.get(name) ?? '').trim()])) as Record<Variable, string>;
  }

  /**
   * Sets all of these in one call, and reads them back: a tool may take a form that it does not know for no input at
   * all, and say nothing. Throws `boot_environment` unless they are in force.
   */
  async write(wanted: Partial<Variables>): Promise<void> {
    const { set } = tools();
    const entries = Object.entries(wanted);
    const [first] = entries;
    if (!first) return;
    if (entries.length === 1) await this.#run(set, first);
    else await this.#run(set, ['-s', '-'], scriptOf(entries, '='));
    if (await this.#holds(wanted)) return;
    // U-Boot's older tools want a blank there.
    if (entries.length > 1) await this.#run(set, ['-s', '-'], scriptOf(entries, ' '));
    if (await this.#holds(wanted)) return;
    const words = entries.map(([name, value]) => `${name}=${value}`).join(' ');
    throw new CodedError('boot_environment', `${set} says it has set ${words}, but has not`);
  }

  async #holds(wanted: Partial<Variables>): Promise<boolean> {
    const now = await this.read();
    return Object.entries(wanted).every(([name, value]) => now[name as Variable] === value);
  }

  async #run(file: string, args: readonly string[], input?: string): Promise<string> {
    const said: string[] = [];
    const ended = await runChild({
      file,
      args,
      ...(input === undefined ? {} : { input }),
      timeout,
      collect: true,
      onLine: (_, line) => said.push(line),
    });
    if (ended.code === 0) {
      for (const line of said) this.#log.debug('boot environment tool says', { file, line });
      return ended.output;
    }
    const how = ended.error
      ? `cannot be run: ${ended.error.message}`
      : ended.timedOut
        ? 'took too long'
        : `ended with ${ended.code ?? ended.signal}`;
    throw new CodedError(
      'boot_environment',
      `${file} ${how}${said.length > 0 ? `: ${said.slice(-3).join('; ')}` : ''}`,
    );
  }
}

const scriptOf = (entries: readonly (readonly [string, string])[], separator: string): string =>
  entries.map(([name, value]) => `${name}${separator}${value}\n`).join('');

function tools(): Tools {
  const grub = { print: find('grub-mender-grubenv-print'), set: find('grub-mender-grubenv-set') };
  if (grub.print !== undefined && grub.set !== undefined) return { print: grub.print, set: grub.set, asked: names };
  const uboot = { print: find('fw_printenv'), set: find('fw_setenv') };
  // Newer ones of U-Boot fail when asked for a variable that is not there: asked for nothing, they print all.
  if (uboot.print !== undefined && uboot.set !== undefined) return { print: uboot.print, set: uboot.set, asked: [] };
  throw new CodedError(
    'boot_environment',
    'no tools for the environment of a boot loader: install fw_printenv and fw_setenv, or grub-mender-grubenv-print and -set',
  );
}

function find(program: string): string | undefined {
  const folders = [...(process.env['PATH'] ?? '').split(delimiter).filter(Boolean), ...systemFolders];
  return folders
    .map((folder) => join(folder, program))
    .find((file) => {
      try {
        accessSync(file, constants.X_OK);
        return true;
      } catch {
        return false;
      }
    });
}
