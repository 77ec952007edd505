import { readFileSync } from 'node:fs';
import type { BlockList } from 'node:net';
import { join, resolve } from 'node:path';
import { Command, Option } from 'commander';
import { CodedError, messageOf } from '#base/errors';
import { logLevels, type LogLevel } from '#base/log';
import type { MailConfig } from './mail.ts';
import { networksOf, type Trust, trustOf } from './http/proxies.ts';
import type { Rates } from './http/rate.ts';
import type { RecordingPolicy } from './recordings/recordings.ts';

/** All that the server can be told; `main.ts` reads it from options, then PATCHBAY_… variables, then `--config`. */
export interface ServerConfig {
  readonly data: string;
  /** URL of a PostgreSQL database; undefined: SQLite in the data folder. */
  readonly database: string | undefined;
  readonly host: string;
  readonly port: number;
  /** Origin in links for devices; undefined: the one that the caller used. */
  readonly publicUrl: string | undefined;
  readonly tls: { readonly cert: string; readonly key: string } | undefined;
  /** Which proxies may say who called (X-Forwarded-…). */
  readonly trust: Trust;
  /** Where the figures are; undefined: nowhere. */
  readonly metrics: { readonly host: string; readonly port: number } | undefined;
  readonly rates: Rates;
  /** Largest artifact, bytes. */
  readonly artifactLimit: number;
  /** All artifacts, bytes; 0: no limit. */
  readonly storageLimit: number;
  /** Bytes that must be free for the server to be ready. */
  readonly minFree: number;
  /** Private networks that webhooks may reach. */
  readonly webhookNetworks: BlockList;
  /** How e-mails are sent; undefined: none are. */
  readonly mail: MailConfig | undefined;
  /** How long requests may take to end at the stop, ms. */
  readonly grace: number;
  readonly recordings: RecordingPolicy;
  readonly logLevel: LogLevel;
  /** Host names below it all lead here, for pages of devices; undefined: only `localhost` does. */
  readonly pagesDomain: string | undefined;
  /** Packages of add-ons, and the file beside which they are installed. */
  readonly addons: readonly string[];
  readonly addonsBeside: string;
}

const bad = (message: string): CodedError => new CodedError('usage', message);

/** One option: also a variable `PATCHBAY_…` and, in camel case, a key of the file. */
function option(flags: string, description: string, usual?: string): Option {
  const name = /^--([a-z-]+)/.exec(flags)?.[1] ?? '';
  const made = new Option(flags, description).env(`PATCHBAY_${name.replaceAll('-', '_').toUpperCase()}`);
  return usual === undefined ? made : made.default(usual);
}

/** Of every command that opens the server's database. */
export const databaseOption = (): Option =>
  option('--database <url>', 'PostgreSQL database, postgres://USER@HOST/NAME, in place of SQLite in --data');

/** The value of `--database`. Throws `usage`, without its words: they may hold a password. */
export function databaseOf(url: string | undefined): string | undefined {
  if (url === undefined || url === '') return undefined;
  if (!/^postgres(ql)?:\/\//.test(url))
    throw bad('--database: a URL is wanted, such as postgres://patchbay@db.example.com/patchbay');
  return url;
}

const options = (): Option[] => [
  option('--data <dir>', 'folder of the database and the artifacts', 'patchbay-data'),
  databaseOption(),
  option('--listen <host:port>', 'where to listen', '127.0.0.1:8080'),
  option('--public-url <url>', 'origin, with a path prefix if need be, by which devices and browsers reach the server'),
  option('--tls-cert <file>', 'certificate (PEM, with its chain): the server speaks HTTPS itself'),
  option('--tls-key <file>', "the certificate's private key (PEM)"),
  option(
    '--trusted-proxies <hops|networks>',
    'which reverse proxies may say who called: how many, or their addresses and networks, such as 10.0.0.0/8',
    '0',
  ),
  option('--metrics <host:port>', 'figures for Prometheus at /metrics on a port of their own, for whoever reaches it'),
  option('--device-rate <n>', 'requests a minute that one device may make; 0: any number', '600'),
  option('--user-rate <n>', 'requests a minute that one user may make; 0: any number', '3000'),
  option(
    '--address-rate <n>',
    'requests a minute of devices that ask to come in, by their address; 0: any number',
    '6000',
  ),
  option('--artifact-limit <bytes>', 'largest artifact that is taken', '10737418240'),
  option('--storage-limit <bytes>', 'most that all artifacts together may take; 0: no limit', '0'),
  option('--min-free <bytes>', 'free space below which the server says that it is not ready', '268435456'),
  option('--webhook-networks <networks>', 'private addresses and networks that webhooks may go to all the same', ''),
  option('--smtp-url <url>', 'mail server for alerts, smtp://USER:PASSWORD@HOST:PORT or smtps://…'),
  option('--mail-from <address>', 'sender of e-mails, such as "Patchbay <alerts@example.com>"'),
  option('--pages-domain <domain>', 'domain all names below which lead here (wildcard DNS), for web pages of devices'),
  option('--addons <packages>', 'add-ons of third parties, with commas, installed beside --config or in --data', ''),
  option('--grace <seconds>', 'how long requests under way may take to end when the server stops', '10'),
  option(
    '--record-terminals <which>',
    'record what terminals show; one that cannot be recorded is not opened',
    'off',
  ).choices(['off', 'all']),
  option('--recording-limit <bytes>', 'largest recording; a terminal that reaches it ends', '268435456'),
  option('--recordings-limit <bytes>', 'most that all recordings together may take: the oldest go', '10737418240'),
  option('--recordings-days <n>', 'how long recordings are kept; 0: as long as there is room', '30'),
  option('--log-level <level>', 'what to log', 'info').choices(logLevels),
  option('--config <file>', 'JSON file with these options (camel case)'),
];

/** The options of `patchbay server`. */
export function serverOptions(command: Command): Command {
  for (const each of options()) command.addOption(each);
  return command;
}

/** Where a server's data is, and which add-ons have tables there. */
export type Place = Pick<ServerConfig, 'data' | 'database' | 'addons' | 'addonsBeside'>;

/** Those of them that say where its data is, and `more`, for commands that open it themselves. */
export function placeOptions(command: Command, ...more: readonly 'addons'[]): Command {
  const wanted: readonly string[] = ['data', 'database', 'config', ...more];
  for (const each of options()) if (wanted.includes(each.attributeName())) command.addOption(each);
  return command;
}

/** What these say. Throws `usage`. */
export const placeOf = (command: Command): Place => placeBy(valuesOf(command));

/** What is said of an option on the command line, in the environment or in the file, in this order. Throws `usage`. */
type Values = (key: string) => string | undefined;

function valuesOf(command: Command): Values {
  const given = command.opts<Record<string, string | undefined>>();
  const file =
    given['config'] === undefined
      ? {}
      : readConfig(given['config'], new Set(options().map((option) => option.attributeName())));
  return (key) => {
    const usual = command.getOptionValueSource(key) === 'default' || given[key] === undefined;
    return usual ? (file[key] ?? given[key]) : given[key];
  };
}

function placeBy(value: Values): Place {
  const data = value('data') ?? 'patchbay-data';
  return {
    data,
    database: databaseOf(value('database')),
    addons: (value('addons') ?? '').split(',').filter(Boolean),
    addonsBeside: resolve(value('config') ?? join(data, 'server.json')),
  };
}

/** The checked configuration of a parsed command. Throws `usage` with what is wrong and how it should look. */
export function configOf(command: Command): ServerConfig {
  const value = valuesOf(command);
  const number = (key: string, max = Number.MAX_SAFE_INTEGER): number => whole(key, value(key), max);
  const cert = value('tlsCert');
  const key = value('tlsKey');
  if ((cert === undefined) !== (key === undefined)) throw bad('--tls-cert and --tls-key go together: give both');
  const publicUrl = value('publicUrl');
  if (publicUrl !== undefined && !/^https?:\/\/[^\s/?#]+(\/[\w.~-]+)*\/?$/.test(publicUrl))
    throw bad(`--public-url ${publicUrl}: an origin is wanted, such as https://patchbay.example.com`);
  const pagesDomain = value('pagesDomain');
  if (pagesDomain !== undefined && !/^[a-z0-9-]+(\.[a-z0-9-]+)*$/i.test(pagesDomain))
    throw bad(`--pages-domain ${pagesDomain}: a domain is wanted, such as devices.example.com`);
  const metrics = value('metrics');
  const logLevel = oneOf('logLevel', value('logLevel'), logLevels);
  return Object.freeze({
    ...placeBy(value),
    ...address('--listen', value('listen') ?? ''),
    publicUrl: publicUrl?.replace(/\/$/, ''),
    tls: cert === undefined || key === undefined ? undefined : { cert, key },
    trust: trustOf(value('trustedProxies') ?? '0'),
    metrics: metrics === undefined ? undefined : address('--metrics', metrics),
    rates: {
      device: number('deviceRate', 1_000_000),
      user: number('userRate', 1_000_000),
      address: number('addressRate', 1_000_000),
    },
    artifactLimit: number('artifactLimit'),
    storageLimit: number('storageLimit'),
    minFree: number('minFree'),
    webhookNetworks: networksOf('--webhook-networks', value('webhookNetworks') ?? ''),
    mail: mailOf(value('smtpUrl'), value('mailFrom')),
    grace: number('grace', 3600) * 1000,
    recordings: {
      terminals: oneOf('recordTerminals', value('recordTerminals'), ['off', 'all']) === 'all',
      limit: number('recordingLimit'),
      total: number('recordingsLimit'),
      days: number('recordingsDays', 36_500),
      minFree: number('minFree'),
    },
    logLevel: logLevel as LogLevel,
    pagesDomain: pagesDomain?.toLowerCase(),
  });
}

/** Both or none. The URL is never in a message: it may hold a password. */
function mailOf(url: string | undefined, from: string | undefined): MailConfig | undefined {
  if (url === undefined && from === undefined) return undefined;
  if (url === undefined || from === undefined) throw bad('--smtp-url and --mail-from go together: give both');
  if (!URL.canParse(url) || !/^smtps?:\/\/[^/]/.test(url))
    throw bad('--smtp-url: a URL is wanted, such as smtp://mail.example.com:587');
  if (!/^[^\r\n<>@]*<[^\s<>@]+@[^\s<>@]+>$|^[^\s<>@]+@[^\s<>@]+$/.test(from))
    throw bad(`--mail-from ${from}: an address is wanted, such as "Patchbay <alerts@example.com>"`);
  return { url, from };
}

/** `host:port`; of IPv6 the host is in brackets. */
function address(option: string, text: string): { host: string; port: number } {
  const found = /^(.*):(\d{1,5})$/.exec(text);
  if (!found || Number(found[2]) > 65_535) throw bad(`${option} ${text}: HOST:PORT is wanted, such as 0.0.0.0:8080`);
  return { host: (found[1] ?? '').replace(/^\[(.*)\]$/, '$1') || '0.0.0.0', port: Number(found[2]) };
}

/** One of some words, wherever it comes from: commander checks only the command line and the environment. */
function oneOf(key: string, text: string | undefined, words: readonly string[]): string {
  if (text !== undefined && words.includes(text)) return text;
  throw bad(`${optionOf(key)} ${text}: one of ${words.join(', ')} is wanted`);
}

const optionOf = (key: string): string => `--${key.replaceAll(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`)}`;

function whole(key: string, text: string | undefined, max: number): number {
  const number = Number(text);
  if (text === '' || !Number.isInteger(number) || number < 0 || number > max)
    throw bad(`${optionOf(key)} ${text}: a whole number from 0 to ${max} is wanted`);
  return number;
}

function readConfig(path: string, known: ReadonlySet<string>): Record<string, string> {
  try {
    const content: unknown = JSON.parse(readFileSync(path, 'utf8'));
    if (typeof content !== 'object' || content === null || Array.isArray(content))
      throw new Error('a JSON object is wanted');
    const unknown = Object.keys(content).find((key) => !known.has(key));
    if (unknown !== undefined) throw new Error(`there is no option "${unknown}"`);
    return Object.fromEntries(Object.entries(content).map(([key, entry]) => [key, String(entry)]));
  } catch (error) {
    throw bad(`--config ${path}: ${messageOf(error)}`);
  }
}
