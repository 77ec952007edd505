import type { Blame } from '#base/blame';
import { CodedError, messageOf } from '#base/errors';
import type { Log } from '#base/log';
import type { Device, DeviceEntry, DeviceHalf } from '#addon/device';
import { defaultOf, type LoadModule } from '#addon/loading';
import { checkManifest, type Manifest } from '#addon/manifest';
import type { LooseMessage, Protocol, ProtoMsg } from '#proto';
import { messageParser, parser } from '#proto/validate';
import { section, type Settings } from './config.ts';
import type { News } from './news.ts';

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

interface Context {
  readonly settings: Settings;
  readonly device: Omit<Device, 'log' | 'onNews'>;
  readonly news?: News;
  readonly log: Log;
  readonly blame?: Blame;
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
  const { news } = context;
  const { onLink } = context.device;
  const log = context.log.child({ addon: manifest.id });
  const blamed = <T>(work: () => T): T => (context.blame ? context.blame.run(manifest.id, work) : work());
  /** What an add-on does when it is told something is its own fault, and nobody else goes without the word. */
  const told = <A extends unknown[]>(listener: (...args: A) => void) => {
    return (...args: A): void => {
      try {
        blamed(() => listener(...args));
      } catch (error) {
        log.error('add-on failed', { error: messageOf(error) });
      }
    };
  };
  const device: Device = {
    ...context.device,
    ...(onLink ? { onLink: (listener) => onLink(told(listener)) } : {}),
    ...(news ? { onNews: (listener) => news.on(manifest.id, told(listener)) } : {}),
    log,
  };
  const half = guarded(
    blamed(() => (entry as DeviceEntry<Manifest>)(device, config)),
    blamed,
  );
  const { id, protocol } = manifest;
  if (!protocol) return { id, half };
  return { id, half, speaks: { protocol, parse: messageParser(protocol) } };
}

/** The same half, all of whose work is its own fault. */
function guarded(half: DeviceHalf<Manifest>, blamed: <T>(work: () => T) => T): DeviceHalf<Manifest> {
  const { keepsAlive } = half;
  return {
    ...(keepsAlive === undefined ? {} : { keepsAlive }),
    ...(half.serve ? { serve: (session) => blamed(async () => await half.serve?.(session)) } : {}),
    ...(half.run ? { run: (signal) => blamed(async () => await half.run?.(signal)) } : {}),
    ...(half.refuse ? { refuse: (typ, why) => half.refuse!(typ, why) } : {}),
  };
}

const invalid = (message: string): CodedError => new CodedError('invalid_addon', message);
