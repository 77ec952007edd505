import type { Command } from 'commander';
import type { Context } from './context.ts';

/** Fills a command in: its options, arguments, subcommands and action. The default export of a command's module. */
export type Fill = (command: Command, context: Context) => void | Promise<void>;

interface Row {
  readonly summary: string;
  readonly load: () => Promise<{ default: Fill }>;
  readonly alias?: string;
}

/** The operator's commands. A module is loaded when its command is called, not before. */
export const commands: Readonly<Record<string, Row>> = {
  login: { summary: 'log in to a server', load: () => import('./commands/login.ts') },
  logout: { summary: 'log out and forget the login', load: () => import('./commands/logout.ts') },
  whoami: { summary: 'who is logged in, and what that user may do', load: () => import('./commands/whoami.ts') },
  devices: { summary: 'list, accept, reject and remove devices', load: () => import('./commands/devices.ts') },
};
