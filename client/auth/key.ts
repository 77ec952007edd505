import { createPrivateKey, createPublicKey, generateKeyPairSync, sign as signWith, type KeyObject } from 'node:crypto';
import { chmodSync, readFileSync, renameSync, statSync } from 'node:fs';
import { CodedError, codeOf, messageOf } from '#base/errors';
import type { Log } from '#base/log';
import { writeDurably } from '#base/durable';
import { isToken, tokenPublicKey, tokenSign } from './pkcs11.ts';

/** Who this device is to a server: proves that a request is ours. */
export interface DeviceKey {
  /** PEM, SubjectPublicKeyInfo. */
  readonly publicKey: string;
  /** Standard base64: Ed25519 over the bytes, RSA PKCS#1 v1.5 and ECDSA (DER) over their SHA-256. */
  sign(body: Uint8Array): Promise<string>;
}

export interface KeySource {
  /** A PEM file, or the PKCS#11 URI of a key in a token. */
  readonly file: string;
  /** `Security.AuthPrivateKey`: belongs to somebody else, is never made nor replaced. */
  readonly fixed: boolean;
  /** `Security.SSLEngine`, for a key in a token. */
  readonly engine?: string;
  readonly passphrase?: string;
}

/** The device's key, made if there is none. `force` makes a new one in any case. Throws `key`. */
export async function openKey(source: KeySource, log: Log, force = false): Promise<DeviceKey> {
  const { file, fixed, passphrase } = source;
  if (force) {
    if (fixed) throw new CodedError('key', 'the key is set by Security.AuthPrivateKey: it is never replaced');
    return generate(file, log);
  }
  if (fixed && isToken(file)) return keyInToken(source);
  let text: string;
  try {
    text = readFileSync(file, 'utf8');
  } catch (error) {
    if (codeOf(error) === 'ENOENT' && !fixed) return generate(file, log);
    throw new CodedError('key', `cannot read device key ${file}: ${messageOf(error)}`, { cause: error });
  }
  if (!fixed) tighten(file, log);
  try {
    return deviceKey(createPrivateKey({ key: text, ...(passphrase === undefined ? {} : { passphrase }) }));
  } catch (error) {
    // A key that needs a passphrase is not broken, and neither is one that somebody else looks after.
    if (fixed || /ENCRYPTED/.test(text))
      throw new CodedError('key', `cannot use device key ${file}: ${messageOf(error)}`, { cause: error });
    log.error('device key is damaged: set aside, new one made; the device must be accepted again', {
      file: `${file}-broken`,
      error: messageOf(error),
    });
    renameSync(file, `${file}-broken`);
    return generate(file, log);
  }
}

async function keyInToken({ file: uri, engine, passphrase }: KeySource): Promise<DeviceKey> {
  const key = {
    uri,
    ...(engine === undefined ? {} : { engine }),
    ...(passphrase === undefined ? {} : { passphrase }),
  };
  const publicKey = await tokenPublicKey(key);
  return { publicKey, sign: async (body) => (await tokenSign(key, publicKey, body)).toString('base64') };
}

function generate(file: string, log: Log): DeviceKey {
  const { privateKey } = generateKeyPairSync('ed25519');
  writeDurably(file, privateKey.export({ type: 'pkcs8', format: 'pem' }), 0o600);
  log.info('device key made', { file });
  return deviceKey(privateKey);
}

function tighten(file: string, log: Log): void {
  const mode = statSync(file).mode & 0o777;
  if (mode === 0o600) return;
  log.warn('device key was readable by others: mode set to 0600', { file, mode: mode.toString(8) });
  chmodSync(file, 0o600);
}

function deviceKey(key: KeyObject): DeviceKey {
  const algorithm = key.asymmetricKeyType === 'ed25519' ? null : 'sha256';
  return {
    publicKey: createPublicKey(key).export({ type: 'spki', format: 'pem' }),
    sign: async (body) => signWith(algorithm, body, key).toString('base64'),
  };
}
