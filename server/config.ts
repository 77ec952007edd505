import { readFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { Command, Option } from 'commander';
import { CodedError, messageOf } from '#base/errors';
import { logLevels, type LogLevel } from '#base/log';

/** All that the server can be told; `main.ts` reads it from options, then PATCHBAY_… variables, then `--config`. */
export interface ServerConfig {
  readonly data: string;
  readonly host: string;
  readonly port: number;
  /** Origin in links for devices; undefined: the one that the caller used. */
  readonly publicUrl: string | undefined;
  readonly tls: { readonly cert: string; readonly key: string } | undefined;
  /** How many proxies before us may say who called (X-Forwarded-For). */
  readonly trustedProxies: number;
  /** Bytes. */
  readonly artifactLimit: number;
  readonly logLevel: LogLevel;
  /** Packages of add-ons, and the file beside which they are installed. */
  readonly addons: readonly string[];
  readonly addonsBeside: string;
}

const bad = (message: string): CodedError => new CodedError('usage', message);

/** The options of `patchbay server`; each is also a variable and, in camel case, a key of the file. */
export function serverOptions(command: Command): Command {
  return command
    .addOption(
      new Option('--data <dir>', 'folder of the database and the artifacts')
        .env('PATCHBAY_DATA')
        .default('patchbay-data'),
    )
    .addOption(new Option('--listen <host:port>', 'where to listen').env('PATCHBAY_LISTEN').default('127.0.0.1:8080'))
    .addOption(
      new Option('--public-url <url>', 'origin by which devices and browsers reach the server').env(
        'PATCHBAY_PUBLIC_URL',
      ),
    )
    .addOption(
      new Option('--tls-cert <file>', 'certificate (PEM, with its chain): the server speaks HTTPS itself').env(
        'PATCHBAY_TLS_CERT',
      ),
    )
    .addOption(new Option('--tls-key <file>', "the certificate's private key (PEM)").env('PATCHBAY_TLS_KEY'))
    .addOption(
      new Option('--trusted-proxies <n>', 'how many reverse proxies stand before the server')
        .env('PATCHBAY_TRUSTED_PROXIES')
        .default('0'),
    )
    .addOption(
      new Option('--artifact-limit <bytes>', 'largest artifact that is taken')
        .env('PATCHBAY_ARTIFACT_LIMIT')
        .default('10737418240'),
    )
    .addOption(
      new Option('--log-level <level>', 'what to log').env('PATCHBAY_LOG_LEVEL').choices(logLevels).default('info'),
    )
    .addOption(
      new Option('--addons <packages>', 'add-ons of third parties, with commas, installed beside --config or in --data')
        .env('PATCHBAY_ADDONS')
        .default(''),
    )
    .addOption(new Option('--config <file>', 'JSON file with these options (camel case)').env('PATCHBAY_CONFIG'));
}

/** The checked configuration of a parsed command. Throws `usage` with what is wrong and how it should look. */
export function configOf(command: Command): ServerConfig {
  const given = command.opts<Record<string, string | undefined>>();
  const file =
    given['config'] === undefined
      ? {}
      : readConfig(given['config'], new Set(command.options.map((option) => option.attributeName())));
  const value = (key: string): string | undefined => {
    const usual = command.getOptionValueSource(key) === 'default' || given[key] === undefined;
    return usual ? (file[key] ?? given[key]) : given[key];
  };
  const listen = /^(.*):(\d{1,5})$/.exec(value('listen') ?? '');
  if (!listen || Number(listen[2]) > 65_535)
    throw bad(`--listen ${value('listen')}: HOST:PORT is wanted, such as 0.0.0.0:8080`);
  const cert = value('tlsCert');
  const key = value('tlsKey');
  if ((cert === undefined) !== (key === undefined)) throw bad('--tls-cert and --tls-key go together: give both');
  const publicUrl = value('publicUrl');
  if (publicUrl !== undefined && !/^https?:\/\/[^/?#]+\/?$/.test(publicUrl))
    throw bad(`--public-url ${publicUrl}: an origin is wanted, such as https://patchbay.example.com`);
  return Object.freeze({
    data: value('data') ?? 'patchbay-data',
    host: (listen[1] ?? '').replace(/^\[(.*)\]$/, '$1') || '0.0.0.0',
    port: Number(listen[2]),
    publicUrl: publicUrl?.replace(/\/$/, ''),
    tls: cert === undefined || key === undefined ? undefined : { cert, key },
    trustedProxies: whole('--trusted-proxies', value('trustedProxies'), 16),
    artifactLimit: whole('--artifact-limit', value('artifactLimit'), Number.MAX_SAFE_INTEGER),
    addons: (value('addons') ?? '').split(',').filter(Boolean),
    addonsBeside: resolve(given['config'] ?? join(value('data') ?? 'patchbay-data', 'server.json')),
    logLevel: (value('logLevel') ?? 'info') as LogLevel,
  });
}

function whole(option: string, text: string | undefined, max: number): number {
  const number = Number(text);
  if (!Number.isInteger(number) || number < 0 || number > max)
    throw bad(`${option} ${text}: a whole number from 0 to ${max} is wanted`);
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
