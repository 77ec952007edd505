import type { Command } from 'commander';
import { addonCommands, addonsFile } from './addon-commands.ts';
import { addonCommand } from './addon-host.ts';
import type { Context } from './context.ts';

/** Fills a command in: its options, arguments, subcommands and action. The default export of a command's module. */
export type Fill = (command: Command, context: Context) => void | Promise<void>;

/** A command: a module of ours or of an add-on, loaded when the command is called, not before. */
export interface Row {
  readonly summary: string;
  readonly load: () => Promise<{ default: Fill }>;
}

/** Ours that no add-on brings; those of add-ons come after `inventory`. */
const own: Readonly<Record<string, Row>> = {
  demo: {
    summary: 'try Patchbay: a server and virtual devices on this machine',
    load: () => import('./commands/demo.ts'),
  },
  login: { summary: 'log in to a server', load: () => import('./commands/login.ts') },
  logout: { summary: 'log out and forget the login', load: () => import('./commands/logout.ts') },
  whoami: { summary: 'who is logged in, and what that user may do', load: () => import('./commands/whoami.ts') },
  devices: { summary: 'list, accept, reject and remove devices', load: () => import('./commands/devices.ts') },
  inventory: { summary: 'show what a device reported', load: () => import('./commands/inventory.ts') },
  groups: { summary: 'put devices into groups, by hand or by filter', load: () => import('./commands/groups.ts') },
  sessions: { summary: 'list and end sessions, play recordings', load: () => import('./commands/sessions.ts') },
  releases: { summary: 'list, upload, download and delete releases', load: () => import('./commands/releases.ts') },
  deploy: { summary: 'bring a release to devices and see it through', load: () => import('./commands/deploy.ts') },
  deployments: {
    summary: 'list, show and abort deployments, read logs',
    load: () => import('./commands/deployments.ts'),
  },
  users: {
    summary: 'users: add and delete, roles, passwords, logins, second factor',
    load: () => import('./commands/users.ts'),
  },
  roles: { summary: 'what users may do, and where', load: () => import('./commands/roles.ts') },
  audit: { summary: 'who did what: list, filter, export', load: () => import('./commands/audit.ts') },
  completion: { summary: 'complete commands in your shell', load: () => import('./commands/completion.ts') },
};

export interface Commands {
  /** In the order in which `patchbay --help` lists them. */
  readonly rows: Readonly<Record<string, Row>>;
  /** Add-ons that could not be asked for their commands, with the reason. */
  readonly problems: readonly string[];
}

/** All commands of the operator: ours, and those of the add-ons that ship or that `addons.json` in the folder names. */
export async function loadCommands(configFolder: string): Promise<Commands> {
  const found = await addonCommands(configFolder);
  const problems = [...found.problems];
  const ofAddons: Record<string, Row> = {};
  for (const [name, { addon, summary }] of Object.entries(found.commands)) {
    if (Object.hasOwn(own, name)) problems.push(`${addon}: ${name} is a command of Patchbay`);
    else ofAddons[name] = { summary, load: addonCommand(addon, name, addonsFile(configFolder)) };
  }
  const rows: Record<string, Row> = {};
  for (const [name, row] of Object.entries(own)) {
    rows[name] = row;
    if (name === 'inventory') Object.assign(rows, ofAddons);
  }
  return { rows, problems };
}
