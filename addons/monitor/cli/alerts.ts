import type { Command } from 'commander';
import { CodedError, messageOf } from '#base/errors';
import type { Host } from './host.ts';
import type { Kept, Standing } from '../answers.ts';
import { Api } from './api.ts';
import {
  count,
  type Filter,
  filtered,
  type FilterOptions,
  filterOf,
  moment,
  only,
  seconds,
  stateOption,
  usage,
} from './filter.ts';
import { namesOf } from './names.ts';
import * as show from './printing.ts';
import { watch } from './watch.ts';

const examples = `
Examples:
  patchbay alerts                                           what nobody has seen to yet
  patchbay alerts list --all --group kiosks --level critical
  patchbay alerts show 3f9a12c4                             with the lines of the log around it
  patchbay alerts ack 3f9a12c4 pump-7/disk_root --note 'on my way'
  patchbay alerts silence --group hall --for 2h --reason 'power is off for maintenance'
  patchbay alerts list --history --since 2h                 all that came, OK ones too
  patchbay alerts list --history --device pump-7 --since 2d
  patchbay alerts watch --json | jq .                       one object a line, until Ctrl-C
  patchbay alerts routes add ops --slack https://hooks.example/x --level critical
  patchbay alerts settings --offline-after 5m

An alert is called by its ID, a beginning of it that only it has, or DEVICE/CHECK.`;

interface ListOptions extends FilterOptions {
  readonly state?: NonNullable<Filter['state']>;
  readonly all?: true;
  readonly history?: true;
  readonly since?: string;
  readonly until?: string;
  readonly limit?: number;
}

/** What is not OK: seen, seen to, and kept quiet. */
export function alertCommands(command: Command, host: Host): void {
  command.addHelpText('after', examples);
  filtered(command.command('list', { isDefault: true }).summary('list alerts (what `patchbay alerts` does)'))
    .description('List checks that are not OK and that nobody has seen to, the latest first.')
    .addOption(stateOption())
    .option('--all', 'also those that are acknowledged or silenced')
    .option('--history', 'all alerts that came, OK ones too; of one device by its clock, else by the server’s')
    .option('--since <time>', 'with --history: not before, such as 2h or 2026-11-28', moment)
    .option('--until <time>', 'with --history: not after', moment)
    .option('--limit <n>', 'with --history: no more than these; 50 if not given', count)
    .action((options: ListOptions) => (options.history ? history(host, options) : list(host, options)));
  command
    .command('show')
    .description('Show one alert with all that the device says of it.')
    .argument('<alert>', 'id or a beginning of it, or DEVICE/CHECK')
    .option('--device <device>', 'of the history of this device')
    .action((wanted: string, { device }: { device?: string }) => showOne(host, wanted, device));
  acting(command, 'ack', 'Say that you see to alerts, until they are OK again.')
    .option('--note <text>', 'for the others who are on call')
    .action((wanted: string[], options: ActOptions) => act(host, 'acknowledge', wanted, options));
  acting(command, 'unack', 'Take that back.').action((wanted: string[], options: ActOptions) =>
    act(host, 'unacknowledge', wanted, options),
  );
  command
    .command('silence')
    .description('Tell nobody of alerts of a device, a group, a check, or of several of these together, for a time.')
    .option('--device <device>', 'id, name or a unique prefix of it')
    .option('--group <group>', 'of the devices of this group')
    .option('--check <check>', 'such as disk_root; disk_* for all that begin so')
    .requiredOption('--for <time>', 'how long: 30m, 2h, 1d', seconds)
    .option('--from <time>', 'when it begins; now if not given', moment)
    .requiredOption('--reason <text>', 'why')
    .action((options: SilenceOptions) => silence(host, options));
  command
    .command('silences')
    .description('List silences in force and to come.')
    .option('--all', 'also those that are over')
    .action(async ({ all }: { all?: true }) => {
      const found = await new Api(host).silences();
      const wanted = found.filter(({ ends }) => all === true || Date.parse(ends) > Date.now());
      show.silences(
        host,
        wanted,
        await namesOf(
          host,
          wanted.flatMap(({ device }) => device ?? []),
        ),
      );
    });
  command
    .command('unsilence')
    .description('End silences now: people are told of what is still not OK.')
    .argument('<silence...>', 'ids of silences, or beginnings of them')
    .action(async (wanted: string[]) => {
      const api = new Api(host);
      const all = (await api.silences()).filter(({ ends }) => Date.parse(ends) > Date.now());
      for (const { id } of wanted.map((one) => only(all, one, (silence) => [silence.id], 'silence'))) {
        await api.unsilence(id);
        host.note(`silence ${show.short(id)} is over`);
      }
    });
  filtered(command.command('watch'))
    .description('Show what is not OK, and each change as it comes, until Ctrl-C; with --json an object a line.')
    .addOption(stateOption())
    .action(async ({ state, ...options }: FilterOptions & { state?: NonNullable<Filter['state']> }) => {
      const filter = await filterOf(host, options);
      await watch(host, new Api(host), { ...filter, ...(state === undefined ? {} : { state }) });
    });
}

interface ActOptions {
  readonly device?: string;
  readonly check?: string;
  readonly note?: string;
}

const acting = (command: Command, name: string, description: string): Command =>
  command
    .command(name)
    .description(description)
    .argument('[alert...]', 'ids or beginnings of them, or DEVICE/CHECK')
    .option('--device <device>', 'all of this device')
    .option('--check <check>', 'with --device: that one, such as disk_root');

async function list(host: Host, { state, all, since, until, limit, ...options }: ListOptions): Promise<void> {
  if (since ?? until ?? limit) throw usage('--since, --until and --limit go with --history');
  const api = new Api(host);
  const filter = await filterOf(host, options);
  const wanted = state ?? (all ? undefined : 'open');
  const found = await api.standing({ ...filter, ...(wanted === undefined ? {} : { state: wanted }) });
  const nameOf = await namesOf(
    host,
    found.map(({ device_id }) => device_id),
  );
  show.standing(host, found, nameOf, wanted === 'open' ? 'no open alerts' : 'no alerts');
  if (host.json || wanted !== 'open') return;
  const { acknowledged, silenced } = await api.counts(filter);
  const others = [
    ...(acknowledged > 0 ? [`${acknowledged} acknowledged`] : []),
    ...(silenced > 0 ? [`${silenced} silenced`] : []),
  ];
  if (others.length > 0) host.note(`${others.join(' and ')}: --all shows these too`);
}

async function history(host: Host, options: ListOptions): Promise<void> {
  const { device, group, level, check, state, since, until, limit = 50, ...rest } = options;
  if (state ?? rest.all) throw usage('--history is of all that came: --state and --all say nothing of it');
  const api = new Api(host);
  const bounds = { issued_after: since, issued_before: until };
  if (device === undefined) {
    const found = await some(api.passed(await filterOf(host, options), bounds), limit);
    const nameOf = await namesOf(
      host,
      found.map(({ device_id }) => device_id),
    );
    return show.passed(host, found, nameOf);
  }
  if (group !== undefined) throw usage('--device or --group: one of them');
  const { id } = await host.resolveDevice(device);
  const isWanted = (one: Kept): boolean =>
    (!level || level.includes(one.level)) && (check === undefined || isLike(check, one.check ?? one.name));
  show.history(host, await some(api.history(id, bounds), limit, isWanted));
}

/** The first so many. */
async function some<T>(all: AsyncIterable<T>, limit: number, isWanted: (one: T) => boolean = () => true): Promise<T[]> {
  const found: T[] = [];
  for await (const one of all) if (isWanted(one) && found.push(one) >= limit) break;
  return found;
}

const isLike = (pattern: string, key: string): boolean =>
  pattern.endsWith('*') ? key.startsWith(pattern.slice(0, -1)) : key === pattern;

async function showOne(host: Host, wanted: string, device: string | undefined): Promise<void> {
  const api = new Api(host);
  if (device === undefined) {
    const [now] = await find(host, api, [wanted]);
    if (!now) return;
    const kept = (await api.latest(now.device_id)).find(({ id }) => id === now.alert_id);
    if (!kept) throw new CodedError('failed', `${wanted}: it has just changed: try again`);
    return show.alert(host, kept, (await namesOf(host, [now.device_id]))(now.device_id), now);
  }
  const { id, name } = await host.resolveDevice(device);
  const kept = await inHistory(api, id, wanted);
  if (!kept) throw new CodedError('failed', `${name} has no alert ${wanted} in its history`);
  const now = (await api.standing({ device: id })).find(({ alert_id }) => alert_id === kept.id);
  show.alert(host, kept, name, now);
}

async function inHistory(api: Api, id: string, wanted: string): Promise<Kept | undefined> {
  for await (const one of api.history(id, {})) if (one.id.startsWith(wanted)) return one;
  return undefined;
}

async function act(
  host: Host,
  verb: 'acknowledge' | 'unacknowledge',
  wanted: readonly string[],
  { device, check, note }: ActOptions,
): Promise<void> {
  const api = new Api(host);
  const more = note === undefined ? {} : { note };
  const places = new Map<string, string[] | undefined>();
  if (device !== undefined) {
    if (wanted.length > 0) throw usage('alerts or --device: one of them');
    places.set((await host.resolveDevice(device)).id, check === undefined ? undefined : [check]);
  } else {
    if (wanted.length === 0) throw usage('name alerts, or give --device');
    if (check !== undefined) throw usage('--check goes with --device');
    for (const one of await find(host, api, wanted))
      places.set(one.device_id, [...(places.get(one.device_id) ?? []), one.check]);
  }
  const done: { device_id: string; checks: readonly string[] }[] = [];
  for (const [id, checks] of places) {
    const body = { ...(checks ? { checks } : {}), ...more };
    done.push({ device_id: id, checks: (await api[verb](id, body)).checks });
  }
  if (host.json) return show.json(host, done);
  const nameOf = await namesOf(host, places.keys());
  for (const { device_id: id, checks } of done)
    host.note(`${nameOf(id)}: ${checks.length === 0 ? 'nothing' : checks.join(', ')} ${verb}d`);
}

/** Those that are meant, of what is not OK. */
async function find(host: Host, api: Api, wanted: readonly string[]): Promise<Standing[]> {
  const all = await api.standing({});
  const found: Standing[] = [];
  for (const word of wanted) {
    const slash = word.indexOf('/');
    if (slash > 0) {
      const { id, name } = await host.resolveDevice(word.slice(0, slash));
      const check = word.slice(slash + 1);
      const one = all.find((each) => each.device_id === id && each.check === check);
      if (!one) throw new CodedError('failed', `${name}: ${check} is OK, or there is no such check`);
      found.push(one);
      continue;
    }
    try {
      found.push(only(all, word, ({ alert_id }) => [alert_id], 'alert'));
    } catch (error) {
      throw new CodedError('failed', `${messageOf(error)} among what is not OK: patchbay alerts list --all`, {
        cause: error,
      });
    }
  }
  return found;
}

interface SilenceOptions {
  readonly device?: string;
  readonly group?: string;
  readonly check?: string;
  readonly for: number;
  readonly from?: string;
  readonly reason: string;
}

async function silence(host: Host, options: SilenceOptions): Promise<void> {
  const { device, group, check, for: time, from, reason } = options;
  if (device === undefined && group === undefined && check === undefined)
    throw usage('of what? Give --device, --group or --check');
  const found = device === undefined ? undefined : await host.resolveDevice(device);
  const made = await new Api(host).silence({
    ...(found ? { device: found.id } : {}),
    ...(group === undefined ? {} : { group }),
    ...(check === undefined ? {} : { check }),
    ...(from === undefined ? {} : { starts: from }),
    minutes: Math.max(1, Math.ceil(time / 60)),
    reason,
  });
  if (host.json) return show.json(host, made);
  host.note(`silenced until ${made.ends}; end it with: patchbay alerts unsilence ${show.short(made.id)}`);
}
