import { Option, type Command } from 'commander';
import type { Host } from './host.ts';
import type { Channel } from '../answers.ts';
import { levelWords } from '../words.ts';
import { Api } from './api.ts';
import { count, levelsOf, only, several, usage } from './filter.ts';
import { json, short } from './printing.ts';

const examples = `
Examples:
  patchbay alerts routes add ops --email ops@example.com --email boss@example.com --level critical
  patchbay alerts routes add pager --webhook https://pager.example/hook --secret 00ff17 --group kiosks
  patchbay alerts routes add chat --slack https://hooks.example/services/x --check 'disk_*' --no-recoveries
  patchbay alerts routes edit ops --level warning --level critical
  patchbay alerts routes edit chat --disable
  patchbay alerts routes test chat

What may be given several times takes the place of all that was given before; '' for none, which is: of all.`;

interface RouteOptions {
  readonly email?: readonly string[];
  readonly webhook?: string;
  readonly slack?: string;
  readonly teams?: string;
  readonly secret?: string;
  readonly group?: readonly string[];
  readonly level?: readonly string[];
  readonly check?: readonly string[];
  readonly recoveries?: boolean;
  readonly enable?: true;
  readonly disable?: true;
  readonly name?: string;
}

/** Where people are told of alerts. */
export function routeCommands(command: Command, host: Host): void {
  command.addHelpText('after', examples);
  command
    .command('list', { isDefault: true })
    .summary('list routes (what `patchbay alerts routes` does)')
    .description('List where notifications go besides the mailboxes of users.')
    .action(async () => list(host, await new Api(host).channels()));
  described(
    command.command('add').description('Have notifications sent to mailboxes, a webhook or a chat.').argument('<name>'),
  )
    .option('--disabled', 'send nothing yet')
    .action(async (name: string, { disabled, ...options }: RouteOptions & { disabled?: true }) => {
      const body = { name, ...targetOf(options, true), ...contentOf(options), ...(disabled ? { enabled: false } : {}) };
      const made = await new Api(host).addChannel(body);
      if (host.json) json(host, made);
      else host.note(`made route ${made.name}; try it with: patchbay alerts routes test ${made.name}`);
    });
  described(
    command.command('edit').description('Change a route; what is not named stays.').argument('<route>', 'name or id'),
  )
    .option('--recoveries', 'also tell when a check is OK again')
    .option('--name <name>', 'a new name')
    .option('--enable', 'send again')
    .addOption(new Option('--disable', 'send nothing for the time being').conflicts('enable'))
    .action(async (wanted: string, options: RouteOptions) => {
      const { id, kind } = await find(host, wanted);
      const { kind: given, ...target } = targetOf(options, false);
      if (given !== undefined && given !== kind)
        throw usage(`${wanted} is of the kind ${kind}: that cannot be changed`);
      const body = {
        ...target,
        ...contentOf(options),
        ...(options.name === undefined ? {} : { name: options.name }),
        ...(options.enable ? { enabled: true } : options.disable ? { enabled: false } : {}),
      };
      if (Object.keys(body).length === 0) throw usage('say what to change: patchbay alerts routes edit --help');
      const changed = await new Api(host).changeChannel(id, body);
      if (host.json) json(host, changed);
      else host.note(`changed route ${changed.name}`);
    });
  command
    .command('remove')
    .description('Remove routes, and what waits to be sent there.')
    .argument('<route...>', 'names or ids')
    .action(async (wanted: string[]) => {
      for (const one of wanted) {
        const { id, name } = await find(host, one);
        await new Api(host).removeChannel(id);
        host.note(`removed route ${name}`);
      }
    });
  command
    .command('test')
    .description('Send a notification that says that it is a test.')
    .argument('<route>', 'name or id')
    .action(async (wanted: string) => {
      const { id, name } = await find(host, wanted);
      const { sent, error = 'it was not sent' } = await new Api(host).testChannel(id);
      if (host.json) json(host, { sent, ...(sent ? {} : { error }) });
      else host.note(sent ? `${name}: sent` : `error: ${name}: ${error}`);
      if (!sent) host.exit(1);
    });
  command
    .command('log')
    .description('Show what was sent within the last seven days, what waits, and how it went; the newest first.')
    .option('--limit <n>', 'no more than these', count, 20)
    .action(async ({ limit }: { limit: number }) => {
      const found = await new Api(host).deliveries(limit);
      host.list(
        found,
        [
          { head: 'TIME', of: ({ created_ts }) => created_ts },
          { head: 'ROUTE', of: ({ channel_name }) => channel_name, paint: (cell) => host.paint('bold', cell) },
          {
            head: 'STATE',
            of: ({ state }) => state,
            paint: (cell, { state }) =>
              host.paint(state === 'sent' ? 'green' : state === 'waiting' ? 'yellow' : 'red', cell),
          },
          { head: 'ALERTS', right: true, of: ({ alerts }) => String(alerts) },
          { head: 'DEVICES', right: true, of: ({ devices }) => String(devices) },
          { head: 'SUBJECT', of: ({ subject }) => subject },
          { head: 'ERROR', of: ({ error = '' }) => error },
        ],
        'nothing was sent',
      );
    });
}

const described = (command: Command): Command =>
  command
    .option('--email <address>', 'to this mailbox (may be repeated)', several)
    .option('--webhook <url>', 'to this address, as JSON')
    .option('--secret <hex>', 'with --webhook: the key that its body is signed with; "" for none')
    .option('--slack <url>', 'to a chat that takes what Slack takes')
    .option('--teams <url>', 'to a chat that takes what Teams takes')
    .option('--group <group>', 'only of devices of this group (may be repeated)', several)
    .option('--level <level>', 'only of this level (may be repeated)', (given: string, before?: readonly string[]) =>
      given === '' ? [] : levelsOf(given, (before ?? []) as []),
    )
    .option('--check <check>', 'only of this check, such as disk_root or disk_* (may be repeated)', several)
    .option('--no-recoveries', 'do not tell when a check is OK again');

function targetOf({ email, webhook, slack, teams, secret }: RouteOptions, wanted: boolean) {
  const given = [
    ...(email ? [{ kind: 'email', to: email } as const] : []),
    ...(webhook === undefined ? [] : [{ kind: 'webhook', url: webhook } as const]),
    ...(slack === undefined ? [] : [{ kind: 'slack', url: slack } as const]),
    ...(teams === undefined ? [] : [{ kind: 'teams', url: teams } as const]),
  ];
  if (given.length > 1) throw usage('--email, --webhook, --slack or --teams: one of them');
  if (given.length === 0 && wanted) throw usage('where to? Give --email, --webhook, --slack or --teams');
  const secretly = secret === undefined ? {} : { secret };
  return { ...(given[0] as { kind?: Channel['kind'] } | undefined), ...secretly };
}

const listOf = (given: readonly string[]): string[] => given.filter((one) => one !== '');

/** commander says that recoveries are wanted when nothing was said: for a new one that is so anyway. */
function contentOf({ group, level, check, recoveries }: RouteOptions) {
  return {
    ...(group ? { groups: listOf(group) } : {}),
    ...(level ? { levels: level } : {}),
    ...(check ? { checks: listOf(check) } : {}),
    ...(recoveries === undefined ? {} : { recoveries }),
  };
}

const find = async (host: Host, wanted: string): Promise<Channel> =>
  only(await new Api(host).channels(), wanted, ({ id, name }) => [id, name], 'route');

const allOr = (words: readonly string[]): string => (words.length === 0 ? 'all' : words.join(', '));

function list(host: Host, channels: readonly Channel[]): void {
  host.list(
    channels,
    [
      { head: 'NAME', of: ({ name }) => name, paint: (cell) => host.paint('bold', cell) },
      { head: 'KIND', of: ({ kind }) => kind },
      { head: 'TO', of: ({ to, url = '', problem }) => problem ?? to?.join(', ') ?? url },
      { head: 'GROUPS', of: ({ groups }) => allOr(groups) },
      { head: 'LEVELS', of: ({ levels }) => allOr(levels.map((level) => levelWords[level])) },
      { head: 'CHECKS', of: ({ checks }) => allOr(checks) },
      {
        head: 'STATE',
        of: ({ enabled, recoveries }) => `${enabled ? 'on' : 'off'}${recoveries ? '' : ', no recoveries'}`,
      },
      { head: 'ID', of: ({ id }) => short(id), paint: (cell) => host.paint('dim', cell) },
    ],
    "no routes yet: 'patchbay alerts routes add' makes one",
  );
}
