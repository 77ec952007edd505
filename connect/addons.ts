import { createRequire } from 'node:module';
import { pathToFileURL } from 'node:url';
import { CodedError, messageOf } from '#base/errors';
import type { Log } from '#base/log';
import type { Device, DeviceEntry, DeviceHalf } from '#addon/device';
import type { Manifest } from '#addon/manifest';
import type { LooseMessage, Protocol, ProtoMsg } from '#proto';
import { messageParser, parser } from '#proto/validate';
import { section, type Settings } from './config.ts';

export interface Speaker {
  readonly protocol: Protocol;
  readonly parse: (frame: ProtoMsg) => LooseMessage;
}

/** A device half that was loaded; `speaks` if it has a protocol on the session socket. */
export interface LoadedAddon {
  readonly id: string;
  readonly half: DeviceHalf<Manifest>;
  readonly speaks?: Speaker;
}

export type Part = 'manifest' | 'device';
/** Gives the module that is a part of an add-on; rejects if there is none. */
export type LoadModule = (name: string, part: Part) => Promise<unknown>;

/** Ours, in development: a bundler cannot follow a computed import, so a build passes a table in place of this. */
export const loadOurs: LoadModule = (name, part) => import(`#addons/${name}/${part}`);

/** Ours by their plain names, others by their package, which is looked for beside the configuration. */
export function addonLoader(configFile: string, ours: LoadModule = loadOurs): LoadModule {
  const require = createRequire(pathToFileURL(configFile));
  return (name, part) =>
    /^[a-z0-9-]+$/.test(name) ? ours(name, part) : import(pathToFileURL(require.resolve(`${name}/${part}`)).href);
}

interface Context {
  readonly settings: Settings;
  readonly device: Omit<Device, 'log'>;
  readonly log: Log;
}

/** Loads what it can: a bad manifest, configuration or module costs that add-on a line in the log, nothing else. */
export async function loadAddons(names: readonly string[], load: LoadModule, context: Context): Promise<LoadedAddon[]> {
  const loaded: LoadedAddon[] = [];
  for (const name of new Set(names)) {
    try {
      const addon = await loadAddon(name, load, context);
      const number = addon?.speaks?.protocol.number;
      const twin = loaded.find((other) => number !== undefined && other.speaks?.protocol.number === number);
      if (twin) throw invalid(`protocol ${number} belongs to ${twin.id} already`);
      if (addon) loaded.push(addon);
    } catch (error) {
      context.log.error('add-on not loaded', { addon: name, error: messageOf(error) });
    }
  }
  return loaded;
}

async function loadAddon(name: string, load: LoadModule, context: Context): Promise<LoadedAddon | undefined> {
  const manifest = checkManifest(defaultOf(await load(name, 'manifest')));
  if (!manifest.halves.includes('device')) return undefined;
  const parse = parser(manifest.config, 'invalid_config');
  const config = parse(section(context.settings, manifest.id, manifest.config));
  const entry = defaultOf(await load(name, 'device'));
  if (typeof entry !== 'function') throw invalid('its device module has no default function');
  const device: Device = { ...context.device, log: context.log.child({ addon: manifest.id }) };
  const half = (entry as DeviceEntry<Manifest>)(device, config);
  const { id, protocol } = manifest;
  if (!protocol) return { id, half };
  return { id, half, speaks: { protocol, parse: messageParser(protocol) } };
}

function checkManifest(value: unknown): Manifest {
  const manifest = value as Partial<Manifest> | null | undefined;
  if (typeof manifest !== 'object' || manifest === null) throw invalid('its manifest has no default export');
  const { api, id, halves, config, protocol } = manifest;
  if (api !== 1) throw invalid(`its manifest is for api ${String(api)}, this is 1`);
  if (typeof id !== 'string' || !/^[a-z0-9-]{1,64}$/.test(id)) throw invalid('its manifest has no proper id');
  if (!Array.isArray(halves)) throw invalid('its manifest names no halves');
  if (typeof config !== 'object') throw invalid('its manifest has no config schema');
  if (protocol && !(Number.isInteger(protocol.number) && protocol.number > 0 && protocol.number < 0xffff))
    throw invalid(`its manifest has protocol number ${protocol.number}`);
  return manifest as Manifest;
}

const defaultOf = (module: unknown): unknown => (module as { default?: unknown }).default;

const invalid = (message: string): CodedError => new CodedError('invalid_addon', message);
