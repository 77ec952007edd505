import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { codeOf, messageOf } from '#base/errors';
import { addonLoader, defaultOf } from '#addon/loading';
import { checkManifest } from '#addon/manifest';

/** A command that an add-on brings. */
export interface AddonCommand {
  /** Folder of ours, or package. */
  readonly addon: string;
  readonly summary: string;
}

export interface AddonCommands {
  readonly commands: Readonly<Record<string, AddonCommand>>;
  /** Add-ons whose commands are missing, with the reason. */
  readonly problems: readonly string[];
}

/** Names the packages of third parties, which are installed beside it: `npm install --prefix ~/.config/patchbay PACKAGE`. */
export const addonsFile = (configFolder: string): string => join(configFolder, 'addons.json');

const folder = fileURLToPath(new URL('../addons/', import.meta.url));
const commandsFile = import.meta.url.endsWith('.ts') ? 'commands.ts' : 'commands.js';

/**
 * The commands of add-ons by name, ours before those of others. Of ours only `commands.ts` is read: to ask the manifests
 * would load every schema there is, 250 ms before the first line of the help.
 */
export async function addonCommands(configFolder: string): Promise<AddonCommands> {
  const commands: Record<string, AddonCommand> = {};
  const problems: string[] = [];
  const take = (addon: string, summaries: Readonly<Record<string, string>>): void => {
    for (const [name, summary] of Object.entries(summaries)) {
      if (commands[name]) problems.push(`${addon}: its command ${name} belongs to ${commands[name].addon} already`);
      else commands[name] = { addon, summary };
    }
  };
  for (const { name } of readdirSync(folder, { withFileTypes: true }))
    if (existsSync(join(folder, name, commandsFile)))
      take(name, defaultOf(await import(`#addons/${name}/commands`)) as Record<string, string>);
  const file = addonsFile(configFolder);
  const { packages, problem } = packagesOf(file);
  if (problem) problems.push(problem);
  for (const addon of packages) {
    try {
      const manifest = checkManifest(defaultOf(await addonLoader(file)(addon, 'manifest')));
      if (manifest.halves.includes('cli')) take(addon, manifest.commands ?? {});
    } catch (error) {
      problems.push(`${addon}: ${messageOf(error).split('\n', 1)[0]}`);
    }
  }
  return { commands, problems };
}

function packagesOf(file: string): { packages: string[]; problem?: string } {
  try {
    const { addons } = JSON.parse(readFileSync(file, 'utf8')) as { addons?: unknown };
    if (Array.isArray(addons) && addons.every((name) => typeof name === 'string')) return { packages: addons };
    return { packages: [], problem: `${file}: {"addons": ["PACKAGE", …]} is wanted` };
  } catch (error) {
    return codeOf(error) === 'ENOENT' ? { packages: [] } : { packages: [], problem: `${file}: ${messageOf(error)}` };
  }
}
