import type { Bus } from './bus.ts';
import { dbusSignals } from './dbus-signals.ts';
import type { What } from './definitions.ts';
import { log } from './log.ts';
import type { MonitorConfig } from './monitor.ts';
import { certificate, httpAnswer, network } from './remote-looks.ts';
import { script } from './scripts.ts';
import { systemdService, sysVService } from './service.ts';
import type { MonitorSettings } from './settings.ts';
import { disk, load, memory, processes, temperature, type Kernel } from './system-looks.ts';
import type { Watched } from './watched.ts';

interface Surroundings {
  readonly settings: MonitorSettings;
  readonly config: MonitorConfig;
  readonly bus: Bus;
  readonly kernel: Kernel & { readonly init: string; readonly run: string };
}

/** How a check is made. Throws in words for a person if it cannot be. */
export function watchedOf(what: What, surroundings: Surroundings): Watched {
  if (!('check' in what)) throw new Error('there is nothing to be made of it');
  const watched = make(what, surroundings);
  const { check } = what;
  return 'every' in check && check.every !== undefined ? { ...watched, every: check.every } : watched;
}

function make(
  { check, log: extras }: Extract<What, { readonly check: unknown }>,
  { settings, config, bus, kernel }: Surroundings,
): Watched {
  const { level } = settings;
  switch (check.type) {
    case 'service': {
      const { unit = check.name, kind } = check;
      const service = { unit, level: check.level ?? settings.serviceLevel };
      return kind === 'sysV' ? sysVService(service, kernel) : systemdService(service, bus);
    }
    case 'log': {
      const { name, pattern, file, journal, expires } = check;
      const { command, name: title, details, status, type } = extras ?? {};
      const texts = { name: title, details, status, type };
      return log({
        name,
        pattern,
        source: command === undefined ? (file === undefined ? { journal: journal ?? '*' } : { file }) : { command },
        level: extras?.level ?? check.level ?? settings.logLevel,
        expires: expires || settings.logExpires,
        before: settings.linesBefore,
        after: settings.linesAfter,
        texts: Object.fromEntries(Object.entries(texts).filter(([, text]) => text !== undefined)),
      });
    }
    case 'dbus': {
      const { name, pattern, watch, expires } = check;
      const which = { ...(pattern === undefined ? {} : { pattern }), ...(watch === undefined ? {} : { watch }) };
      return dbusSignals(
        { name, ...which, expires: expires || settings.dbusExpires, level: check.level ?? settings.dbusLevel },
        bus,
      );
    }
    case 'disk':
      return disk({ level, ...check });
    case 'memory':
      return memory({ level, ...check }, kernel);
    case 'load':
      return load({ level, ...check });
    case 'temperature':
      return temperature({ level, ...check }, kernel);
    case 'process':
      return processes({ level, ...check }, kernel);
    case 'network':
      return network({ level, ...check });
    case 'http':
      return httpAnswer({ level, ...check });
    case 'certificate':
      return certificate({ level, ...check });
    case 'script':
      return script({ level, ...check }, config.ScriptFolder);
  }
}
