import { homedir } from 'node:os';
import { join } from 'node:path';

/** Folder of a person's own files: logins, the list of his add-ons. */
export const configFolder = (env: Readonly<Record<string, string | undefined>>): string =>
  join(env['XDG_CONFIG_HOME'] || join(env['HOME'] ?? homedir(), '.config'), 'patchbay');
