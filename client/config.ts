import { readFileSync } from 'node:fs';
import { Type, type Static, type TSchema } from 'typebox';
import { CodedError, codeOf, messageOf } from '#base/errors';
import type { Log } from '#base/log';
import { parser } from '#proto/validate';
import { writeDurably } from '#base/durable';
import { paths, type Places } from './places.ts';

const Seconds = (fallback: number) => Type.Integer({ minimum: 1, maximum: 2_000_000, default: fallback });
const Text = Type.String({ minLength: 1, maxLength: 4096 });
const Url = Type.String({ pattern: '^https?://[^ ]+$', maxLength: 4096 });

const Https = Type.Object({
  Certificate: Type.Optional(Text),
  Key: Type.Optional(Text),
  SSLEngine: Type.Optional(Text),
});
const Security = Type.Object({ AuthPrivateKey: Type.Optional(Text), SSLEngine: Type.Optional(Text) });

/** mender.conf (`update-client.md` §1.4). Intervals and timeouts are seconds. */
export const Settings = Type.Object({
  ServerURL: Type.Optional(Url),
  Servers: Type.Optional(Type.Array(Type.Object({ ServerURL: Url }), { maxItems: 64 })),
  TenantToken: Type.Optional(Type.String({ maxLength: 65536 })),
  DeviceTier: Type.Union([Type.Literal('standard'), Type.Literal('micro'), Type.Literal('system')], {
    default: 'standard',
  }),
  ServerCertificate: Type.Optional(Text),
  SkipVerify: Type.Boolean({ default: false }),
  HttpsClient: Type.Optional(Https),
  Security: Type.Optional(Security),
  ArtifactVerifyKey: Type.Optional(Text),
  ArtifactVerifyKeys: Type.Optional(Type.Array(Text, { maxItems: 64 })),
  UpdatePollIntervalSeconds: Seconds(1800),
  InventoryPollIntervalSeconds: Seconds(28_800),
  RetryPollIntervalSeconds: Seconds(300),
  RetryPollCount: Type.Integer({ minimum: 0, maximum: 1_000_000, default: 0 }),
  RetryDownloadCount: Type.Integer({ minimum: 1, maximum: 10_000, default: 10 }),
  StateScriptTimeoutSeconds: Seconds(3600),
  StateScriptRetryIntervalSeconds: Seconds(60),
  StateScriptRetryTimeoutSeconds: Seconds(1800),
  ModuleTimeoutSeconds: Seconds(14_400),
  /** Ours: bytes a second, and bytes; 0: no limit. */
  DownloadRateLimit: Type.Integer({ minimum: 0, default: 0 }),
  DownloadSizeLimit: Type.Integer({ minimum: 0, default: 0 }),
  /** Ours: a connection that brings less than so many bytes a second, over so many seconds, is given up and resumed. */
  DownloadLowSpeedLimit: Type.Integer({ minimum: 0, default: 100 }),
  DownloadLowSpeedSeconds: Seconds(300),
  /** Ours: the whole download, its waits included; 0: however long it takes. */
  DownloadTimeoutSeconds: Type.Integer({ minimum: 0, maximum: 2_000_000, default: 0 }),
  DownloadCacheFolder: Type.Optional(Text),
  /** Ours: for how long an update may be held on the device's side (`Defer` on D-Bus); 0: not at all. */
  DeferLimitSeconds: Type.Integer({ minimum: 0, maximum: 31_536_000, default: 86_400 }),
  DeviceTypeFile: Type.Optional(Text),
  UpdateLogPath: Type.Optional(Text),
  DaemonLogLevel: Type.String({ default: 'info', maxLength: 16 }),
  RootfsPartA: Type.Optional(Type.String({ maxLength: 4096 })),
  RootfsPartB: Type.Optional(Type.String({ maxLength: 4096 })),
  /** Ours: read a root file system back from the disk after it was written. */
  RootfsReadBack: Type.Boolean({ default: false }),
});
export type Settings = Static<typeof Settings>;

/** Keys of older clients: taken without a word, because they decide nothing any more. */
const retired = new Set(
  [
    'UpdateControlMapExpirationTimeSeconds',
    'UpdateControlMapBootExpirationTimeSeconds',
    'DBus',
    'Connectivity',
    'BootUtilitiesGetNextActivePart',
    'BootUtilitiesSetActivePart',
    'ClientProtocol',
  ].map((key) => key.toLowerCase()),
);

/** Values whose wrong form must stop the client rather than fall back to a default: what they guard would be open. */
const strict = new Set(['DeviceTier', 'RetryDownloadCount']);
class StrictKey extends Error {}
const isStrict = (error: unknown): boolean => error instanceof Error && error.cause instanceof StrictKey;

export interface Config extends Settings {
  /** In the order they are tried for authentication. */
  readonly servers: readonly string[];
  /** Paths of PEM files; with any, unsigned artifacts are refused. */
  readonly verifyKeys: readonly string[];
  /** What is wrong with a default file, in whose place the last good one is used, or defaults; else empty. */
  readonly problem: string;
}

export interface ConfigFiles {
  /** Named on the command line: must load. */
  readonly config?: string;
  readonly fallbackConfig?: string;
}

/**
 * The configuration of a device: fallback file, then main file key by key. A default file that cannot be used gives way
 * to the last good one, which `keep` stores; with none there are defaults. Throws `config` for what must not be guessed,
 * and for whatever is wrong in a file that was named.
 */
export function loadConfig(places: Places, files: ConfigFiles, log: Log, keep = false): Config {
  const named = files.config !== undefined || files.fallbackConfig !== undefined;
  const kept = named ? undefined : readKept(places, log);
  const problems: string[] = [];
  const read = (part: keyof Kept, given: string | undefined, file: string): Loose => {
    try {
      return readSettings(given ?? file, given !== undefined, log);
    } catch (error) {
      if (given !== undefined || isStrict(error)) throw error;
      problems.push(messageOf(error));
      return kept?.[part] ?? {};
    }
  };
  try {
    const fallback = read('fallback', files.fallbackConfig, paths.fallbackConfig(places));
    const main = read('main', files.config, paths.config(places));
    const config = settle(merge({ fallback, main }), problems.join('; '));
    if (problems.length > 0) tell(problems.join('; '), kept, log);
    else if (keep && !named) writeKept(places, { fallback, main }, kept, log);
    return config;
  } catch (error) {
    if (!kept || codeOf(error) !== 'config') throw error;
    tell(messageOf(error), kept, log);
    return settle(merge(kept), messageOf(error));
  }
}

function tell(error: string, kept: Kept | undefined, log: Log): void {
  if (kept) log.error('configuration unusable, the last good one is used', { error });
  else log.warn('configuration unusable, defaults used', { error });
}

type Loose = Record<string, unknown>;

/** The settings of both files, each as far as it was good. */
interface Kept {
  readonly fallback: Loose;
  readonly main: Loose;
}

function merge({ fallback, main }: Kept): Loose {
  const below = { ...fallback };
  // A list in the main file replaces a single server of the fallback; the reverse is a contradiction (§1.4).
  if (main['Servers'] && !main['ServerURL']) delete below['ServerURL'];
  return { ...below, ...main, ...nested('HttpsClient', below, main), ...nested('Security', below, main) };
}

function nested(key: string, fallback: Loose, main: Loose): Loose {
  const merged = { ...(fallback[key] as Loose | undefined), ...(main[key] as Loose | undefined) };
  return Object.keys(merged).length > 0 ? { [key]: merged } : {};
}

function readKept(places: Places, log: Log): Kept | undefined {
  const file = paths.keptConfig(places);
  try {
    const { fallback, main } = JSON.parse(readFileSync(file, 'utf8')) as Partial<Kept>;
    if (typeof fallback !== 'object' || typeof main !== 'object') return undefined;
    const known = (part: Loose) => pick(Settings.properties, part, file, '', log);
    return { fallback: known(fallback), main: known(main) };
  } catch {
    return undefined; // there is none yet, or it is as broken as what it should replace
  }
}

function writeKept(places: Places, good: Kept, kept: Kept | undefined, log: Log): void {
  const text = JSON.stringify(good);
  if (kept && JSON.stringify(kept) === text) return;
  try {
    writeDurably(paths.keptConfig(places), text, 0o600);
  } catch (error) {
    log.warn('configuration not kept', { error: messageOf(error) });
  }
}

/** Throws `config`; a default file that is not there is an empty one. */
function readSettings(file: string, named: boolean, log: Log): Loose {
  let text: string;
  try {
    text = readFileSync(file, 'utf8');
  } catch (error) {
    if (!named && codeOf(error) === 'ENOENT') return {};
    throw new CodedError('config', `cannot read ${file}: ${messageOf(error)}`, { cause: error });
  }
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (error) {
    throw new CodedError('config', `${file} is no JSON: ${messageOf(error).replaceAll(/\s+/g, ' ')}`, { cause: error });
  }
  if (typeof value !== 'object' || value === null || Array.isArray(value))
    throw new CodedError('config', `${file} holds no JSON object`);
  return pick(Settings.properties, value as Loose, file, '', log);
}

/** The known keys of an object in their own spelling; keys are found in any case. What is wrong is named in the log. */
function pick(shape: Readonly<Record<string, object>>, value: Loose, file: string, prefix: string, log: Log): Loose {
  const known = new Map(Object.keys(shape).map((key) => [key.toLowerCase(), key]));
  const picked: Loose = {};
  for (const [spelt, entry] of Object.entries(value)) {
    const key = known.get(spelt.toLowerCase());
    if (!key) {
      if (!retired.has(spelt.toLowerCase()))
        log.warn('unknown key in configuration', { file, key: `${prefix}${spelt}` });
      continue;
    }
    const inner = key === 'HttpsClient' ? Https : key === 'Security' ? Security : undefined;
    if (inner && typeof entry === 'object' && entry !== null) {
      picked[key] = pick(inner.properties, entry as Loose, file, `${key}.`, log);
      continue;
    }
    // Empty texts are how mender-setup writes "not set".
    if (entry === '' || entry === null) continue;
    try {
      picked[key] = valueOf(key, shape[key] as TSchema, entry);
    } catch (error) {
      const name = `${prefix}${key}`;
      if (strict.has(key))
        throw new CodedError('config', `${file}: ${name} ${messageOf(error)}`, { cause: new StrictKey() });
      log.warn('wrong value in configuration, ignored', { file, key: name, error: messageOf(error) });
    }
  }
  return picked;
}

// Checked as a property: ajv takes no default at the root of a schema.
const valueOf = (key: string, schema: TSchema, value: unknown): unknown =>
  parser(Type.Object({ [key]: schema }))({ [key]: value })[key];

const complete = parser(Settings, 'config');

function settle(loose: Loose, problem: string): Config {
  const settings = complete(loose);
  const { ServerURL, Servers, ArtifactVerifyKey, ArtifactVerifyKeys, HttpsClient } = settings;
  if (ServerURL !== undefined && Servers !== undefined)
    throw new CodedError('config', 'both Servers and ServerURL are set: keep one');
  if (ArtifactVerifyKey !== undefined && ArtifactVerifyKeys !== undefined)
    throw new CodedError('config', 'both ArtifactVerifyKey and ArtifactVerifyKeys are set: keep one');
  if ((HttpsClient?.Certificate === undefined) !== (HttpsClient?.Key === undefined))
    throw new CodedError('config', 'HttpsClient needs both Certificate and Key, or neither');
  const servers = ServerURL === undefined ? (Servers ?? []).map((server) => server.ServerURL) : [ServerURL];
  const verifyKeys = ArtifactVerifyKey === undefined ? (ArtifactVerifyKeys ?? []) : [ArtifactVerifyKey];
  return Object.freeze({
    ...settings,
    servers: [...new Set(servers.map((server) => server.replace(/\/+$/, '')))],
    verifyKeys: [...new Set(verifyKeys)],
    problem,
  });
}
