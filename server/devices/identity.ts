import { createHash, createPublicKey, verify, type KeyObject } from 'node:crypto';
import { badRequest } from '../errors.ts';

export type Identity = Readonly<Record<string, unknown>>;

/** Identity data as the reference normalises it: keys sorted, no blanks, `<>&` escaped (`server-api.md` §1.1). */
export function parseIdentity(text: string): { identity: Identity; hash: string } {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    throw badRequest('invalid auth request: id_data is not JSON');
  }
  if (typeof value !== 'object' || value === null || Array.isArray(value))
    throw badRequest('invalid auth request: id_data is not a JSON object');
  return { identity: value as Identity, hash: identityHash(value as Identity) };
}

/** SHA-256 of the normalised identity, hex: two texts of the same identity are one device. */
export const identityHash = (identity: Identity): string =>
  createHash('sha256').update(canonical(identity)).digest('hex');

export function canonical(value: unknown, depth = 0): string {
  if (depth > 32) throw badRequest('invalid auth request: id_data is nested too deep');
  if (Array.isArray(value)) return `[${value.map((entry) => canonical(entry, depth + 1)).join(',')}]`;
  if (typeof value === 'object' && value !== null) {
    const entries = Object.entries(value).sort(([a], [b]) => (a < b ? -1 : 1));
    return `{${entries.map(([key, entry]) => `${text(key)}:${canonical(entry, depth + 1)}`).join(',')}}`;
  }
  return typeof value === 'string' ? text(value) : JSON.stringify(value);
}

const escapes: Readonly<Record<string, string>> = {
  '<': '\\u003c',
  '>': '\\u003e',
  '&': '\\u0026',
  '\u2028': '\\u2028',
  '\u2029': '\\u2029',
};
const text = (value: string): string => JSON.stringify(value).replaceAll(/[<>&\u2028\u2029]/g, (c) => escapes[c] ?? c);

const curves = new Set(['secp224r1', 'prime256v1', 'secp384r1', 'secp521r1']);

/** A device's public key: RSA of 1024 to 16384 bits, ECDSA on the NIST curves, Ed25519. 400 for anything else. */
export function parseDeviceKey(pem: string): { key: KeyObject; pem: string } {
  let key: KeyObject;
  try {
    if (!/^\s*-----BEGIN PUBLIC KEY-----/.test(pem)) throw new Error('no PEM block PUBLIC KEY');
    key = createPublicKey({ key: pem, format: 'pem' });
  } catch {
    throw badRequest('invalid auth request: cannot decode pubkey: a PEM block "PUBLIC KEY" is wanted');
  }
  const details = key.asymmetricKeyDetails;
  const good =
    key.asymmetricKeyType === 'ed25519' ||
    (key.asymmetricKeyType === 'rsa' &&
      (details?.modulusLength ?? 0) >= 1024 &&
      (details?.modulusLength ?? 0) <= 16_384) ||
    (key.asymmetricKeyType === 'ec' && curves.has(details?.namedCurve ?? ''));
  if (!good) throw badRequest('invalid auth request: pubkey is neither RSA, ECDSA on a NIST curve, nor Ed25519');
  return { key, pem: key.export({ type: 'spki', format: 'pem' }) };
}

/** Whether `signature` (base64) is the key's over exactly these bytes: Ed25519 on the body, else on its SHA-256. */
export function signatureHolds(key: KeyObject, body: Uint8Array, signature: string): boolean {
  if (!/^[A-Za-z0-9+/]+={0,2}$/.test(signature)) return false;
  const bytes = Buffer.from(signature, 'base64');
  try {
    return verify(key.asymmetricKeyType === 'ed25519' ? null : 'sha256', body, key, bytes);
  } catch {
    return false;
  }
}
