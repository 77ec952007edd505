import type { Command } from 'commander';
import { devauth, deviceconnect, presencePath } from '#proto/http/paths';
import type { ConnectState, Device } from '#proto/http/devices';
import { age } from '../age.ts';
import { listOf, objectOf } from '../answer.ts';
import { acceptDevice, dismissDevice, readDevice, rejectDevice } from '../authorization.ts';
import type { Context } from '../context.ts';
import { usage } from '../failure.ts';
import { findDevice, findDevices } from '../find-device.ts';
import { Refusal } from '../http.ts';
import { fleet, parseFilter, type Filter, type FleetDevice } from '../fleet.ts';
import { plain } from '../io.ts';
import { atLeastOne, collect, count } from '../option.ts';
import { all } from '../paging.ts';
import { confirm } from '../prompt.ts';
import type { Column } from '../table.ts';

const statuses = ['accepted', 'pending', 'rejected', 'preauthorized', 'noauth'];
const deviceHelp = 'id, name (host name or identity value) or a prefix that only one device has';

export default function devices(command: Command, context: Context): void {
  command
    .command('list', { isDefault: true })
    .summary('list devices (what `patchbay devices` does)')
    .description('List devices.')
    .option('--status <status>', `only these: ${statuses.join(', ')}; may be repeated`, collect(statuses))
    .option(
      '--filter <term>',
      'only where [SCOPE/]NAME=VALUE holds (or != > >= < <= ~); may be repeated',
      collectFilters,
    )
    .option('--search <text>', 'only where this text is found')
    .option('--limit <n>', 'no more than these', count)
    .action((options: ListOptions) => list(context, options));
  command
    .command('show')
    .description('Show one device.')
    .argument('<device>', deviceHelp)
    .action((wanted: string) => show(context, wanted));
  command
    .command('accept')
    .description('Accept devices, so that they may connect and be updated.')
    .argument('[device...]', deviceHelp)
    .option('--all', 'all that are pending')
    .option('--auth-set <id>', 'this key, for a device that asked with several')
    .action((wanted: string[], options: { all?: boolean; authSet?: string }) => accept(context, wanted, options));
  command
    .command('reject')
    .description('Reject devices: they can no longer connect, but stay listed.')
    .argument('<device...>', deviceHelp)
    .action((wanted: string[]) => each(context, wanted, 'rejected', (http, { id }) => rejectDevice(http, id)));
  command
    .command('dismiss')
    .description('Forget what a device that is not accepted asked for; it may ask again.')
    .argument('<device...>', deviceHelp)
    .action((wanted: string[]) => each(context, wanted, 'dismissed', (http, { id }) => dismissDevice(http, id)));
  command
    .command('decommission')
    .description('Remove devices and all that is known of them.')
    .argument('<device...>', deviceHelp)
    .option('-y, --yes', 'do not ask')
    .action((wanted: string[], options: { yes?: boolean }) => decommission(context, wanted, options));
}

interface ListOptions {
  readonly status?: string[];
  readonly filter?: Filter[];
  readonly search?: string;
  readonly limit?: number;
}

const collectFilters = (text: string, before: Filter[] = []) => [...before, parseFilter(text)];

async function list(context: Context, { status, filter = [], search, limit }: ListOptions): Promise<void> {
  const filters = filter.map(({ term }) => term);
  const holds = (device: FleetDevice) => filter.every((one) => one.holds?.(device) ?? true);
  if (status) filters.push({ scope: 'identity', attribute: 'status', type: '$in', value: status });
  const question = { ...(filters.length ? { filters } : {}), ...(search ? { text: search } : {}) };
  const found = await all(fleet(await context.http(), question, { limit, holds }));
  const asked = filters.length || search;
  const connections = await connectionsOf(await context.http(), found);
  context.list(
    found.map((device) => ({ ...device, connection: connections.get(device.id) ?? 'unknown' })),
    columns(context),
    asked ? 'no device matches' : 'no devices yet: they appear when they first call',
  );
}

type ListedDevice = FleetDevice & { readonly connection: ConnectState['status'] };

function columns({ paint }: Context): Column<ListedDevice>[] {
  const colours = { accepted: 'green', pending: 'yellow', rejected: 'red' } as const;
  return [
    { head: 'NAME', of: ({ name }) => name, paint: (cell) => paint('bold', cell) },
    {
      head: 'STATUS',
      of: ({ status }) => status,
      paint: (cell, { status }) => paint(colours[status as keyof typeof colours] ?? 'dim', cell),
    },
    {
      head: 'CONNECTED',
      of: ({ connection }) => (connection === 'connected' ? 'yes' : connection === 'disconnected' ? 'no' : '-'),
      paint: (cell, { connection }) => paint(connection === 'connected' ? 'green' : 'dim', cell),
    },
    { head: 'TYPE', of: ({ device_type }) => device_type || '-' },
    { head: 'RELEASE', of: ({ artifact_name }) => artifact_name || '-' },
    { head: 'CHECK-IN', of: ({ last_seen }) => age(last_seen) },
    { head: 'ID', of: ({ id }) => id, paint: (cell) => paint('dim', cell) },
  ];
}

async function show(context: Context, wanted: string): Promise<void> {
  const http = await context.http();
  const device = await findDevice(http, wanted);
  const [auth, connection] = await Promise.all([readDevice(http, device.id), connectionOf(http, device.id)]);
  context.show({ ...device, connection, auth_sets: auth.auth_sets }, () => describe(device, auth, connection));
}

type Http = Awaited<ReturnType<Context['http']>>;

/** Of all that are listed, by one question a page; none for whoever may not ask, or of a server that cannot say. */
async function connectionsOf(http: Http, devices: readonly FleetDevice[]) {
  const found = new Map<string, ConnectState['status']>();
  try {
    for (let at = 0; at < devices.length; at += 500) {
      const device_ids = devices.slice(at, at + 500).map(({ id }) => id);
      const answer = await http.json('POST', `${presencePath}/search`, { json: { device_ids } });
      for (const { device_id, status } of listOf<ConnectState>(
        answer,
        { device_id: 'string', status: 'string' },
        'connections',
      ))
        found.set(device_id, status);
    }
  } catch (error) {
    if (!(error instanceof Refusal)) throw error;
  }
  return found;
}

/** Unknown to somebody who may not open sessions, and to a server that never saw it connect. */
async function connectionOf(http: Http, id: string): Promise<ConnectState['status']> {
  try {
    const answer = await http.json('GET', `${deviceconnect}/devices/${id}`);
    return objectOf<ConnectState>(answer, { status: 'string' }, 'the connection').status;
  } catch {
    return 'unknown';
  }
}

function describe(device: FleetDevice, auth: Device, connection: string): string {
  const identity = Object.entries(auth.identity_data).map(([key, value]) => `${key}=${String(value)}`);
  const lines: [string, string][] = [
    ['Name', device.name],
    ['Id', device.id],
    ['Status', auth.status],
    ['Connection', connection],
    ['Identity', identity.join(' ')],
    ['Type', device.device_type || '-'],
    ['Release', device.artifact_name || '-'],
    ['Check-in', age(device.last_seen)],
    ...auth.auth_sets.map((set): [string, string] => ['Key', `${set.status}, since ${age(set.ts)}, set ${set.id}`]),
  ];
  return lines.map(([head, text]) => `${`${head}:`.padEnd(12)}${plain(text)}\n`).join('');
}

async function accept(context: Context, wanted: string[], options: { all?: boolean; authSet?: string }) {
  if (options.all ? wanted.length : !wanted.length) throw usage('name the devices, or give --all');
  const { all: everyone, authSet } = options;
  if (authSet && wanted.length !== 1) throw usage('--auth-set goes with exactly one device');
  if (!everyone) return await each(context, wanted, 'accepted', (http, { id }) => acceptDevice(http, id, authSet));
  const http = await context.http();
  const pending = await all(
    fleet(http, { filters: [{ scope: 'identity', attribute: 'status', type: '$eq', value: 'pending' }] }),
  );
  if (!pending.length) context.note('no device is pending');
  await change(context, pending, 'accepted', (device) => acceptDevice(http, device.id));
}

async function decommission(context: Context, wanted: string[], { yes }: { yes?: boolean }): Promise<void> {
  const http = await context.http();
  const found = await findDevices(http, wanted);
  const names = found.map(({ id, name }) => `${plain(name)} (${id})`).join(', ');
  await confirm(context.io, `Remove ${names} for good?`, yes, context.signal);
  await change(context, found, 'decommissioned', async ({ id }) => {
    await http.request('DELETE', `${devauth}/devices/${id}`, { what: `device ${id}` });
  });
}

async function each(
  context: Context,
  wanted: readonly string[],
  done: string,
  act: (http: Http, device: FleetDevice) => Promise<void>,
): Promise<void> {
  atLeastOne(wanted, 'device');
  const http = await context.http();
  await change(context, await findDevices(http, wanted), done, (device) => act(http, device));
}

async function change(
  context: Context,
  found: readonly FleetDevice[],
  done: string,
  act: (device: FleetDevice) => Promise<void>,
): Promise<void> {
  for (const device of found) {
    await act(device);
    context.note(`${plain(device.name)} (${device.id}) ${done}`);
  }
  context.show(
    found.map(({ id, name }) => ({ id, name, done })),
    () => '',
  );
}
