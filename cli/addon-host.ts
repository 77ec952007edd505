import type { CliHalf, CliHost, NamedDevice, OperatorSession } from '#addon/cli';
import type { Protocol } from '#proto';
import type { FilterTerm } from '#proto/http/devices';
import { addonLoader, defaultOf } from '#addon/loading';
import { checkManifest, type Manifest } from '#addon/manifest';
import type { Fill } from './commands.ts';
import type { Context } from './context.ts';
import { findDevice, findDevices } from './find-device.ts';
import { fleet } from './fleet.ts';
import type { Http } from './http.ts';
import { failed } from './failure.ts';
import { plain } from './io.ts';

/** A command of an add-on, as a row of ours is loaded: nothing of the add-on before it is called. */
export function addonCommand(addon: string, name: string, file: string): () => Promise<{ default: Fill }> {
  return async () => {
    const load = addonLoader(file);
    const manifest = checkManifest(defaultOf(await load(addon, 'manifest')));
    const half = defaultOf(await load(addon, 'cli')) as CliHalf | undefined;
    const fill = half?.[name];
    if (!fill) throw failed(`the add-on ${addon} has no command ${name}`);
    return { default: (command, context) => fill(command, hostFor(manifest, context)) };
  };
}

async function chosen(
  http: Http,
  { names, group }: { readonly names: readonly string[]; readonly group?: string },
): Promise<NamedDevice[]> {
  if (names.length > 0) return await findDevices(http, names);
  const accepted: FilterTerm = { scope: 'identity', attribute: 'status', type: '$eq', value: 'accepted' };
  const member: FilterTerm[] =
    group === undefined ? [] : [{ scope: 'system', attribute: 'group', type: '$eq', value: group }];
  const found: NamedDevice[] = [];
  for await (const { id, name } of fleet(http, { filters: [accepted, ...member] })) found.push({ id, name });
  return found;
}

function hostFor(manifest: Manifest, context: Context): CliHost {
  const { io } = context;
  return {
    stdin: io.in,
    stdout: io.out,
    stderr: io.err,
    signal: context.signal,
    resolveDevice: async (wanted) => await findDevice(await context.http(), wanted),
    get json() {
      return context.options.json ?? false;
    },
    findDevices: async (wanted) => await chosen(await context.http(), wanted),
    async openSession(deviceId, join) {
      const { protocol, resumes = false } = manifest;
      if (!protocol) throw failed(`the add-on ${manifest.id} has no sessions`);
      return await open(context, deviceId, protocol, { resume: resumes, ...(join === undefined ? {} : { join }) });
    },
    openOther: async (deviceId, protocol) => await open(context, deviceId, protocol),
    fetch: async (path, init) => await (await context.http()).fetch(path, init),
    async *changes() {
      const { changes } = await import('./live.ts');
      yield* changes(await context.http(), manifest.id);
    },
    list: (rows, columns, none) => context.list(rows, columns, none),
    paint: (style, text) => context.paint(style, text),
    plain,
    note: (line) => context.note(line),
    exit: (code) => void (context.exitCode = code),
  };
}

async function open<M>(
  context: Context,
  deviceId: string,
  protocol: Protocol,
  options: { readonly resume: boolean; readonly join?: string } = { resume: false },
): Promise<OperatorSession<M>> {
  const { server, token = '', insecure } = (await context.http()).options;
  const { openSession } = await import('./session.ts');
  return await openSession<M>({
    server,
    token,
    deviceId,
    protocol,
    ...options,
    ...(insecure ? { client: { rejectUnauthorized: false } } : {}),
  });
}
