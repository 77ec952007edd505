import { readdirSync, readFileSync, realpathSync } from 'node:fs';
import { basename, join } from 'node:path';
import { codeOf, messageOf } from '#base/errors';
import { parser } from '#proto/validate';
import { Check, CheckName } from '../check.ts';
import { type Wanted, wanted } from '../wanted.ts';
import { patternProblem } from './pattern.ts';
import { parseVariables, seconds, type Variables } from './variables.ts';

/** A check that is to be made, wherever it was asked for. */
export interface Definition {
  /** `SUBSYSTEM_NAME`. */
  readonly key: string;
  readonly type: string;
  readonly name: string;
  readonly origin: 'local' | 'server';
  readonly version?: string;
  readonly what: What;
}

/** `problem`: it cannot be made, and why. */
export type What =
  | { readonly check: Check; readonly log?: LogExtras }
  | {
      readonly custom: {
        readonly script: string;
        readonly file: string;
        readonly variables: Variables;
        readonly every?: number;
      };
    }
  | { readonly problem: string };

/** What only a file on the device can say of a log check. */
export interface LogExtras {
  /** Its output is followed in place of a file. */
  readonly command?: string;
  readonly level?: Wanted;
  readonly name?: string;
  readonly details?: string;
  readonly status?: string;
  readonly type?: string;
}

/** Of each type, so that an error speaks of that type only. */
const parsers = new Map<string, (value: unknown) => Check>(
  Check.anyOf.map((shape) => [shape.properties.type.const, parser(shape)]),
);
const parseName = parser(CheckName);

/** Subsystems of the reference that this program is itself, whatever lies in `monitor.d`. */
const builtIn = new Set(['service', 'log', 'dbus', 'dockerevents']);
/** Ours: a script of the same name in `monitor.d` is what its owner wants. */
export const ownTypes = [
  'disk',
  'memory',
  'load',
  'temperature',
  'network',
  'http',
  'certificate',
  'process',
  'script',
] as const;
/** Demo checks of the reference, which are checks of ours by other names. */
const demos = ['diskusage', 'connectivity'] as const;
const countLimit = 500;

/** Reads the enabled checks; a file that cannot be used is a definition with a problem. */
export function readDefinitions(folder: string): Definition[] {
  let names: string[];
  try {
    names = readdirSync(join(folder, 'enabled'));
  } catch (error) {
    if (codeOf(error) === 'ENOENT') return [];
    throw error;
  }
  const subsystems = subsystemsIn(folder);
  return names
    .filter((name) => name.endsWith('.sh'))
    .sort()
    .slice(0, countLimit)
    .map((name) => readDefinition(join(folder, 'enabled', name), folder, subsystems));
}

export function subsystemsIn(folder: string): ReadonlySet<string> {
  try {
    return new Set(
      readdirSync(folder)
        .filter((name) => name.endsWith('.sh'))
        .map((name) => name.slice(0, -3)),
    );
  } catch {
    return new Set();
  }
}

function readDefinition(file: string, folder: string, subsystems: ReadonlySet<string>): Definition {
  const key = basename(file, '.sh');
  const type = subsystemOf(key, subsystems);
  const name = type === key ? key : key.slice(type.length + 1);
  const common = { key, type, name, origin: 'local' } as const;
  try {
    if (!/^[A-Za-z0-9][A-Za-z0-9_.@:-]{0,199}$/.test(key))
      throw new Error('its file is called neither SUBSYSTEM_NAME.sh nor anything like it');
    const variables = parseVariables(readFileSync(file, 'utf8'));
    return { ...common, what: interpret(type, name, variables, { file: realpathSync(file), folder, subsystems }) };
  } catch (error) {
    const missing = codeOf(error) === 'ENOENT';
    return { ...common, what: { problem: missing ? 'its link leads nowhere' : messageOf(error) } };
  }
}

/** The longest subsystem that the name begins with: `disk_usage_root` may be one of `disk_usage` or of `disk`. */
export function subsystemOf(key: string, subsystems: ReadonlySet<string>): string {
  const known = [...subsystems, ...builtIn, ...ownTypes, ...demos].filter((word) => key.startsWith(`${word}_`));
  return known.sort((one, other) => other.length - one.length)[0] ?? key.split('_')[0] ?? key;
}

interface Place {
  readonly file: string;
  readonly folder: string;
  readonly subsystems: ReadonlySet<string>;
}

function interpret(type: string, name: string, variables: Variables, { file, folder, subsystems }: Place): What {
  const get = (key: string): string | undefined => variables.get(key) || undefined;
  switch (type) {
    case 'service':
      return checked({
        type,
        name: checkName(name),
        unit: get('SERVICE_NAME') ?? name,
        kind: get('SERVICE_TYPE') ?? 'systemd',
        level: levelOf('SERVICE_ALERT_LEVEL', variables),
      });
    case 'log':
    case 'dockerevents':
      return logCheck(name, variables, type === 'dockerevents' ? '@docker events' : undefined);
    case 'dbus':
      return checked({
        type,
        name: checkName(name),
        pattern: get('DBUS_PATTERN') ?? get('DBUS_WATCH_PATTERN'),
        watch: get('DBUS_WATCH_EXPRESSION'),
        expires: duration(get('DBUS_ALERT_EXPIRATION') ?? get('DBUS_PATTERN_EXPIRATION')),
        level: levelOf('DBUS_ALERT_LEVEL', variables),
      });
    default:
  }
  if (subsystems.has(type)) {
    const every = duration(get('CHECK_INTERVAL'));
    if (every !== undefined && (every < 5 || every > 86_400))
      throw new Error('CHECK_INTERVAL: from 5 to 86400 seconds');
    return {
      custom: { script: join(folder, `${type}.sh`), file, variables, ...(every === undefined ? {} : { every }) },
    };
  }
  if (type === 'diskusage')
    return checked({
      type: 'disk',
      name: checkName(name),
      path: get('DISKUSAGE_NAME') ?? '/',
      percent: Number(get('DISKUSAGE_THRESHOLD') ?? 80),
    });
  if (type === 'connectivity') {
    const server = get('CONNECTIVITY_SERVER');
    if (server === undefined) throw new Error('CONNECTIVITY_SERVER is not set');
    if (get('CONNECTIVITY_INTERFACE'))
      throw new Error('CONNECTIVITY_INTERFACE: whichever interface leads there is looked at, not one of them');
    return checked({ type: 'http', name: checkName(name), url: server.includes('://') ? server : `http://${server}/` });
  }
  if ((ownTypes as readonly string[]).includes(type)) return checked(fromVariables(type, checkName(name), variables));
  throw new Error(`there is no subsystem ${type}: neither a built-in one nor ${join(folder, `${type}.sh`)}`);
}

function logCheck(name: string, variables: Variables, source: string | undefined): What {
  const get = (key: string): string | undefined => variables.get(key) || undefined;
  const file = get('LOG_FILE') ?? source;
  const level = levelOf('LOG_ALERT_LEVEL', variables);
  const command = file?.startsWith('@') ? file.slice(1).trim() : undefined;
  if (command === '') throw new Error('LOG_FILE: no command after @');
  const journal = get('LOG_JOURNAL');
  if (file === undefined && journal === undefined) throw new Error('LOG_FILE is not set');
  const what = checked({
    type: 'log',
    name: checkName(name),
    pattern: get('LOG_PATTERN'),
    file: command === undefined ? file : undefined,
    journal,
    expires: duration(get('LOG_PATTERN_EXPIRATION')),
  });
  const texts = {
    name: get('LOG_ALERT_DESCRIPTION'),
    details: get('LOG_ALERT_DETAILS'),
    status: get('LOG_ALERT_STATUS'),
    type: get('LOG_ALERT_TYPE'),
  };
  const log = { command, level, ...texts };
  return { ...what, log: Object.fromEntries(Object.entries(log).filter(([, value]) => value !== undefined)) };
}

/** What an alert may be asked to be: a check that has found something is not OK, and what goes up and down shows by itself. */
function levelOf(key: string, variables: Variables): Wanted | undefined {
  const given = variables.get(key) || undefined;
  const level = wanted.find((one) => one === given);
  if (given !== undefined && level === undefined)
    throw new Error(`${key}: ${wanted.join(' or ')} is wanted, not '${given}'`);
  return level;
}

/** Ours: `DISK_PERCENT` is `percent` of a `disk` check, and so on; the schema says what there is. */
function fromVariables(type: string, name: string, variables: Variables): Record<string, unknown> {
  const shape = Check.anyOf.find(({ properties }) => properties.type.const === type);
  const result: Record<string, unknown> = { type, name };
  const known: Record<string, { type?: string; items?: object }> = { ...shape?.properties } as never;
  const start = `${type.toUpperCase()}_`;
  for (const [key, value] of variables) {
    if (!key.startsWith(start)) throw new Error(`${key}: a ${type} check has no such variable`);
    const property = key.slice(start.length).toLowerCase();
    if (property === 'name' || value === '') continue;
    const schema = Object.hasOwn(known, property) ? known[property] : undefined;
    if (!schema || property === 'type') throw new Error(`${key}: a ${type} check has no such variable`);
    if (schema.type === 'integer' || schema.type === 'number') {
      const number = property === 'every' || property === 'timeout' ? seconds(value) : Number(value);
      if (number === undefined || !Number.isFinite(number)) throw new Error(`${key}: '${value}' is no number`);
      result[property] = number;
    } else if (property === 'level') result[property] = levelOf(key, variables);
    else result[property] = schema.items ? value.split(/\s+/).filter(Boolean) : value;
  }
  return result;
}

/** One of ours as its variables say it; throws in words for a person. */
export const checkOf = (type: string, name: string, variables: Variables): Check =>
  checked(fromVariables(type, checkName(name), variables)).check;

/** By the schema, and what it cannot say. */
function checked(value: Readonly<Record<string, unknown>>): { readonly check: Check } {
  const parse = parsers.get(String(value['type']));
  if (!parse) throw new Error(`there are no checks of type ${String(value['type']).slice(0, 128)}`);
  const check = parse(Object.fromEntries(Object.entries(value).filter(([, one]) => one !== undefined)));
  const problem = problemOf(check);
  if (problem) throw new Error(problem);
  return { check };
}

/** A check of the server's, or why it is none. */
export function definitionOf(value: unknown, version: string): Definition {
  const named = value as { type?: unknown; name?: unknown } | null;
  const word = (part: unknown): string => (typeof part === 'string' && part !== '' ? part.slice(0, 128) : '?');
  const [type, name] = [word(named?.type), word(named?.name)];
  const common = { key: `${type}_${name}`, type, name, origin: 'server', version } as const;
  try {
    return { ...common, what: checked(value as Record<string, unknown>) };
  } catch (error) {
    return {
      ...common,
      what: { problem: parsers.has(type) ? messageOf(error) : `this device knows no checks of type ${type}` },
    };
  }
}

/** What the schema cannot say of a check; undefined: it can be made. */
export function problemOf(check: Check): string | undefined {
  if (check.type === 'log' && (check.file === undefined) === (check.journal === undefined) && check.file !== undefined)
    return 'a log check follows a file or a journal, not both';
  if (check.type === 'dbus' && check.pattern === undefined && check.watch === undefined)
    return 'a dbus check needs DBUS_PATTERN or DBUS_WATCH_EXPRESSION';
  if (check.type === 'dbus' && check.watch !== undefined) {
    const kind = /(?:^|,)\s*type\s*=\s*'?([a-z_]+)'?/.exec(check.watch)?.[1];
    if (kind !== undefined && kind !== 'signal') return `of D-Bus only signals are watched, not type='${kind}'`;
  }
  if (check.type === 'certificate' && (check.host === undefined) === (check.file === undefined))
    return 'a certificate check needs a host or a file, one of them';
  if (check.type === 'process') {
    if (check.process === undefined && check.pattern === undefined)
      return 'a process check needs a process or a pattern';
    if ((check.min ?? 0) > (check.max ?? Infinity))
      return 'a process check wants no more than max and no fewer than min: min is larger';
  }
  const pattern = 'pattern' in check ? check.pattern : undefined;
  return pattern === undefined ? undefined : patternProblem(pattern);
}

function duration(text: string | undefined): number | undefined {
  if (text === undefined) return undefined;
  const count = seconds(text);
  if (count === undefined) throw new Error(`'${text}' is no time: a number of seconds, or 5m, 2h, 1d`);
  return count;
}

const checkName = (name: string): string => parseName(name);
