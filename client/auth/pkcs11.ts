import { execFile } from 'node:child_process';
import { createPublicKey } from 'node:crypto';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { CodedError, codeOf, messageOf } from '#base/errors';

/** A key that never leaves its token, used through the program `openssl`. */
export interface TokenKey {
  readonly uri: string;
  /** `SSLEngine`; without one OpenSSL's provider is tried, as its own configuration sets it up, then the engine `pkcs11`. */
  readonly engine?: string;
  /** The PIN, where the URI has none. */
  readonly passphrase?: string;
}

export const isToken = (name: string): boolean => /^pkcs11:/i.test(name);

/** PEM, SubjectPublicKeyInfo. Throws `key`. */
export async function tokenPublicKey(key: TokenKey): Promise<string> {
  const pem = await openssl(key, (uri, form) => ['pkey', ...form('inform'), '-in', uri, '-pubout'], '');
  return pem.toString('latin1');
}

/** RSA PKCS#1 v1.5 or ECDSA (DER) over SHA-256, or Ed25519 over the bytes. Throws `key`. */
export async function tokenSign(key: TokenKey, publicKey: string, body: Uint8Array): Promise<Buffer> {
  if (createPublicKey(publicKey).asymmetricKeyType !== 'ed25519')
    return openssl(key, (uri, form) => ['dgst', '-sha256', ...form('keyform'), '-sign', uri], body);
  // For Ed25519 openssl wants to know the size before it reads: no pipe will do.
  const folder = await mkdtemp(join(tmpdir(), 'patchbay-sign-'));
  try {
    const file = join(folder, 'body');
    await writeFile(file, body);
    const raw = ['pkeyutl', '-sign', '-rawin', '-in', file];
    return await openssl(key, (uri, form) => [...raw, ...form('keyform'), '-inkey', uri], '');
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

type Form = (option: 'inform' | 'keyform') => string[];

/** The ways to reach the token, until one works; if none does, what each has to say. */
async function openssl(
  { uri, engine, passphrase }: TokenKey,
  args: (uri: string, form: Form) => string[],
  input: Uint8Array | string,
): Promise<Buffer> {
  const through = (name: string): { name: string; form: Form } => ({
    name: `engine ${name}`,
    form: (option) => ['-engine', name, `-${option}`, 'engine'],
  });
  const ways =
    engine === undefined ? [{ name: 'provider', form: (): string[] => [] }, through('pkcs11')] : [through(engine)];
  const complaints: string[] = [];
  for (const { name, form } of ways) {
    try {
      const passing = passphrase === undefined ? [] : ['-passin', 'env:PATCHBAY_PIN'];
      const [command = '', ...rest] = args(uri, form);
      return await run([command, ...passing, ...rest], input, passphrase);
    } catch (error) {
      complaints.push(ways.length > 1 ? `${name}: ${messageOf(error)}` : messageOf(error));
    }
  }
  throw new CodedError('key', `the PKCS#11 key cannot be used: ${[...new Set(complaints)].join('; ')}`);
}

function run(args: readonly string[], input: Uint8Array | string, pin: string | undefined): Promise<Buffer> {
  const env = pin === undefined ? process.env : { ...process.env, PATCHBAY_PIN: pin };
  return new Promise((resolve, reject) => {
    const child = execFile('openssl', args, { encoding: 'buffer', timeout: 60_000, env }, (error, stdout, stderr) => {
      if (!error && stdout.length > 0) resolve(stdout);
      else if (codeOf(error) === 'ENOENT') reject(new CodedError('key', 'it needs the program openssl'));
      else reject(new CodedError('key', complaintOf(stderr.toString('utf8'))));
    });
    child.stdin?.on('error', () => undefined);
    child.stdin?.end(input);
  });
}

/** The one line of openssl's many that says what is wrong. Never the URI: it may hold the PIN. */
function complaintOf(text: string): string {
  if (/could not load the shared library|invalid engine|no such engine/i.test(text))
    return 'its OpenSSL engine is not installed (Debian: libengine-pkcs11-openssl)';
  const lines = text
    .split('\n')
    .map((line) => line.replaceAll(/pkcs11:\S*/gi, 'pkcs11:…').trim())
    .filter(Boolean);
  return (lines.find((line) => !/^(Engine|engine|[0-9A-F]{12,}:)/.test(line)) ?? lines[0] ?? 'no reason given').slice(
    0,
    200,
  );
}
