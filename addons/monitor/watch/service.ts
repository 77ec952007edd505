import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Message } from 'dbus-next';
import { pause } from '#base/backoff';
import { messageOf } from '#base/errors';
import type { Level } from '../alert.ts';
import { systemd, valueOf, type Bus } from './bus.ts';
import type { Finding } from './judge.ts';
import { runProgram } from './programs.ts';
import { shortened } from './remote-looks.ts';
import { unknown, well, type FollowHost, type Watched } from './watched.ts';

/** A service that is stopped and started again is not down: so long it may take, ms. */
const blink = 1000;
/** Of services whose init script is asked, seconds. */
const sysVEvery = 5;
const unitFace = 'org.freedesktop.systemd1.Unit';
const signals = (path: string): string[] => [
  `type='signal',sender='${systemd.name}',interface='org.freedesktop.DBus.Properties',member='PropertiesChanged',path='${path}'`,
  `type='signal',sender='${systemd.name}',interface='${systemd.manager}',member='Reloading'`,
  `type='signal',sender='org.freedesktop.DBus',member='NameOwnerChanged',arg0='${systemd.name}'`,
];

interface Service {
  readonly unit: string;
  readonly level: Level;
}

const texts = (name: string, type: string): Pick<Watched, 'title' | 'flappingTitle' | 'subject'> => ({
  title: `Service ${name} not running`,
  flappingTitle: `Service ${name} going up and down`,
  subject: { name, type },
});

/** A unit of systemd, which itself says when it changes. */
export function systemdService({ unit, level }: Service, bus: Bus): Watched {
  const full = /\.(service|socket|timer|mount|path|target|slice|scope|device|swap|automount)$/.test(unit)
    ? unit
    : `${unit}.service`;
  const path = `${systemd.path}/unit/${label(full)}`;
  return {
    ...texts(unit, 'systemd'),
    follow: (host, signal) => followUnit({ unit: full, path, level }, bus, host, signal),
  };
}

interface Unit {
  readonly unit: string;
  readonly path: string;
  readonly level: Level;
}

function followUnit({ unit, path, level }: Unit, bus: Bus, host: FollowHost, signal: AbortSignal): Promise<void> {
  const over = Promise.withResolvers<void>();
  let down: (() => void) | undefined;
  let last: Finding | undefined;
  let said = false;

  const state = (active: string, sub: string, load: string): void => {
    const description = load === 'not-found' ? `systemd knows no ${unit}` : `${unit} is ${active} (${sub})`;
    // On its way; where to will be said. Waiting to be started again is being down.
    if ((active === 'activating' || active === 'deactivating') && sub !== 'auto-restart' && last) return;
    const bad = !(
      active === 'active' ||
      active === 'reloading' ||
      active === 'refreshing' ||
      (active === 'activating' && sub !== 'auto-restart')
    );
    last = bad ? { level, status: 'not-running', description } : well('running', description);
    if (!bad) {
      if (down) host.flicker();
      down?.();
      down = undefined;
      said = false;
      void host.say(last);
    } else if (!said || host.level() === 'OK')
      // Of one that is down systemd says so again when it is about to be started: that is no going down.
      down ??= host.rounds.moment(blink, () => {
        down = undefined;
        if (!last || signal.aborted) return;
        said = true;
        void host.say(last);
      });
  };

  async function ask(): Promise<void> {
    try {
      const manager = { destination: systemd.name, path: systemd.path, interface: systemd.manager };
      // It tells nobody who has not said that he listens; a second time is an error that says so.
      await bus.call({ ...manager, member: 'Subscribe' }).catch((error: unknown) => {
        if (!/already/i.test(messageOf(error))) throw error;
      });
      await bus.call({ ...manager, member: 'LoadUnit', signature: 's', body: [unit] });
      const [active, sub, load] = await Promise.all(
        ['ActiveState', 'SubState', 'LoadState'].map((name) => bus.property(path, unitFace, name)),
      );
      state(String(active), String(sub), String(load));
    } catch (error) {
      if (!signal.aborted)
        over.reject(new Error(`systemd does not say how ${unit} is: ${messageOf(error)}`, { cause: error }));
    }
  }

  function heard({ interface: face, member, path: from, body }: Message): void {
    if (member === 'PropertiesChanged' && from === path && body[0] === unitFace) {
      const changed = body[1] as Record<string, unknown>;
      const [active, sub] = [valueOf(changed['ActiveState']), valueOf(changed['SubState'])];
      if (typeof active === 'string' && typeof sub === 'string') state(active, sub, 'loaded');
    }
    // Units were read anew, or systemd itself has begun anew and has forgotten who listens.
    if (face === systemd.manager && member === 'Reloading' && body[0] === false) void ask();
    if (member === 'NameOwnerChanged' && body[0] === systemd.name && body[2]) void ask();
  }

  const off = bus.listen({
    rules: signals(path),
    heard,
    attached: () => void ask(),
    lost: (why) => over.reject(new Error(why)),
  });
  const stop = (): void => over.resolve();
  signal.addEventListener('abort', stop, { once: true });
  return over.promise.finally(() => {
    signal.removeEventListener('abort', stop);
    off();
    down?.();
  });
}

/** A unit's name as the last part of its path on the bus. */
export function label(unit: string): string {
  return [...Buffer.from(unit)]
    .map((byte, index) => {
      const char = String.fromCharCode(byte);
      const plain = index === 0 ? /[A-Za-z]/ : /[A-Za-z0-9]/;
      return plain.test(char) ? char : `_${byte.toString(16).padStart(2, '0')}`;
    })
    .join('');
}

export interface SysVPlaces {
  readonly init: string;
  readonly run: string;
  readonly proc: string;
}

/** A service of an init script, which is asked for its `status`; while its process is the same as then, it need not be. */
export function sysVService({ unit, level }: Service, places: SysVPlaces): Watched {
  let known: string | undefined;
  const program = join(places.init, unit);

  async function status(signal: AbortSignal): Promise<Finding> {
    const { code, timedOut, failed, output } = await runProgram(program, { args: ['status'], timeout: 10_000, signal });
    if (failed) return unknown(failed);
    if (timedOut) return unknown(`${program} status did not end`);
    const said = shortened(output.trim(), 300) || `${program} status: exit code ${code}`;
    return code === 0 ? well('running', said) : { level, status: 'not-running', description: said };
  }

  return {
    ...texts(unit, 'sysV'),
    every: sysVEvery,
    async look(signal) {
      const now = processOf(unit, places);
      if (now !== undefined && now === known) return well('running', `its process is there`);
      known = undefined;
      if (!existsSync(program)) return unknown(`there is no ${program}`);
      const finding = await status(signal);
      if (finding.level === 'OK') known = processOf(unit, places);
      if (finding.level !== level) return finding;
      // While it is being restarted, and while the system goes down, it is on its way.
      await pause(blink, signal);
      return await status(signal);
    },
  };
}

/** Which process its pid file names: its id with when it began, which no other has. */
function processOf(unit: string, { run, proc }: SysVPlaces): string | undefined {
  try {
    const pid = readFileSync(join(run, `${unit}.pid`), 'latin1').trim();
    if (!/^\d{1,10}$/.test(pid)) return undefined;
    const stat = readFileSync(join(proc, pid, 'stat'), 'latin1');
    const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
    return fields[0] === 'Z' ? undefined : `${pid} ${fields[19]}`;
  } catch {
    return undefined;
  }
}
