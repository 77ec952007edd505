import { accessSync, constants, readFileSync } from 'node:fs';
import { Type, type Static, type TSchema } from 'typebox';
import { findAccount } from '#base/account';
import { CodedError, codeOf, messageOf } from '#base/errors';
import { parser } from '#proto/validate';

export const configFile = '/etc/mender/mender-connect.conf';
export const fallbackFile = '/var/lib/mender/mender-connect.conf';

/** What the daemon itself reads; each add-on has a schema of its own for the rest. */
const Config = Type.Object({
  User: Type.String({ default: '', maxLength: 256 }),
  ShellCommand: Type.String({ default: '/bin/sh', maxLength: 4096 }),
  /** PEM file with CA certificates to believe besides those of the system; the reference has left it to its client. */
  ServerCertificate: Type.Optional(Type.String({ minLength: 1, maxLength: 4096 })),
  /** Ours; Mender's keys of this section belong to the terminal. */
  Sessions: Type.Object(
    {
      /** Seconds for which a session waits for a lost link, its person's or the device's; 0: none does. */
      ResumeWithin: Type.Integer({ minimum: 0, maximum: 7 * 24 * 3600, default: 600 }),
      /** Bytes that one session, and all together, keep until they have arrived at the other end. */
      ResumeBuffer: Type.Integer({ minimum: 64 * 1024, maximum: 1 << 30, default: 4 * 1024 * 1024 }),
      ResumeMemory: Type.Integer({ minimum: 64 * 1024, maximum: 1 << 30, default: 16 * 1024 * 1024 }),
    },
    { default: {} },
  ),
  /** Ours: add-ons by name, that of a third party by the name of its package; absent: all of ours. */
  Addons: Type.Optional(Type.Array(Type.String({ minLength: 1, maxLength: 214 }), { maxItems: 64 })),
});

export type Settings = Readonly<Record<string, unknown>>;

export interface ConnectConfig extends Static<typeof Config> {
  /** Every key of the files, for the add-ons' sections. */
  readonly settings: Settings;
  /** Packages of third parties are looked for beside this file. */
  readonly file: string;
}

/** Mender's keys that mean nothing since its client does the TLS. */
const retired = ['ServerURL', 'Servers', 'ClientProtocol', 'HttpsClient', 'SkipVerify'];

const parse = parser(Config, 'invalid_config');

/**
 * Reads the fallback file, then the main file over it key by key (`connect-protocol.md` §4.1); either may be missing.
 * Throws `invalid_config`, with the texts that the reference has for a wrong user or shell.
 */
export async function readConfig(
  files: { config: string; fallback: string; shells?: string },
  warn: (what: string, fields: Settings) => void,
): Promise<ConnectConfig> {
  const settings = merge(readFile(files.fallback), readFile(files.config));
  for (const key of retired) if (pick(settings, key) !== undefined) warn('setting ignored', { key });
  const own = parse(spell(settings, Config));
  const sessions = pick(settings, 'Sessions');
  if (isMap(sessions) && pick(sessions, 'ExpireAfter') && pick(sessions, 'ExpireAfterIdle'))
    warn('ExpireAfter and ExpireAfterIdle are mutually exclusive', { used: 'ExpireAfterIdle' });
  await checkUser(own.User);
  checkShell(own.ShellCommand, files.shells ?? '/etc/shells');
  return Object.freeze({ ...own, settings, file: files.config });
}

/**
 * What an add-on reads: its section (`FileTransfer` for `file-transfer`), and keys of the top level that its schema
 * names and its section has not. A copy, for ajv to fill with defaults.
 */
export function section(settings: Settings, id: string, schema: TSchema): Record<string, unknown> {
  const own = pick(settings, id.replaceAll('-', ''));
  return { ...spell(settings, schema), ...(isMap(own) ? spell(own, schema) : {}) };
}

async function checkUser(user: string): Promise<void> {
  if (!user) throw invalid('please provide a user to run the shell as');
  await findAccount(user).catch((error: unknown) => {
    throw invalid(`User: ${messageOf(error)}`);
  });
}

function checkShell(shell: string, list: string): void {
  if (!shell.startsWith('/')) throw invalid(`given shell (${shell}) is not an absolute path`);
  try {
    accessSync(shell, constants.X_OK);
  } catch {
    throw invalid(`given shell (${shell}) is not executable`);
  }
  let allowed = ['/bin/sh'];
  try {
    allowed = readFileSync(list, 'utf8').split('\n');
  } catch (error) {
    if (codeOf(error) !== 'ENOENT') throw error;
  }
  if (!allowed.some((line) => line.trim() === shell)) throw invalid(`ShellCommand ${shell} is not present in ${list}`);
}

function readFile(path: string): Settings {
  let value: unknown;
  try {
    value = JSON.parse(readFileSync(path, 'utf8'));
  } catch (error) {
    if (codeOf(error) === 'ENOENT') return {};
    throw invalid(`${path}: ${messageOf(error)}`);
  }
  if (!isMap(value)) throw invalid(`${path}: not a JSON object`);
  return value;
}

/** Go matches keys whatever their case; the later file wins. */
function merge(under: Settings, over: Settings): Settings {
  const result: Record<string, unknown> = { ...under };
  for (const [key, value] of Object.entries(over)) {
    const old = keyOf(result, key);
    const before = old === undefined ? undefined : result[old];
    if (old !== undefined) delete result[old];
    result[key] = isMap(before) && isMap(value) ? merge(before, value) : value;
  }
  return result;
}

/** The keys that a schema names, spelt as it spells them, at every level. A null counts as absent, as in Go. */
function spell(settings: Settings, schema: TSchema): Record<string, unknown> {
  const { properties = {} } = schema as { properties?: Record<string, TSchema> };
  const result: Record<string, unknown> = {};
  for (const [key, inner] of Object.entries(properties)) {
    const value = pick(settings, key);
    if (value !== undefined && value !== null)
      result[key] = isMap(value) ? spell(value, inner) : structuredClone(value);
  }
  return result;
}

const keyOf = (settings: Settings, key: string): string | undefined =>
  Object.hasOwn(settings, key) ? key : Object.keys(settings).find((other) => other.toLowerCase() === key.toLowerCase());

function pick(settings: Settings, key: string): unknown {
  const own = keyOf(settings, key);
  return own === undefined ? undefined : settings[own];
}

const isMap = (value: unknown): value is Settings =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

const invalid = (message: string): CodedError => new CodedError('invalid_config', message);
