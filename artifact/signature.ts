import { createPublicKey, verify, type KeyObject } from 'node:crypto';
import { CodedError, messageOf } from '#base/errors';
import { ArtifactError } from './errors.ts';

/** A PEM public key, parsed. Throws `key_invalid`. */
export function parsePublicKey(pem: string): KeyObject {
  try {
    return createPublicKey(pem);
  } catch (cause) {
    throw new CodedError('key_invalid', `not a PEM public key: ${messageOf(cause)}`, { cause });
  }
}

/** The bytes of `manifest.sig`: base64 on one line, padded, and nothing else. */
export function decodeSignature(text: Uint8Array): Buffer {
  const encoded = Buffer.from(text.buffer, text.byteOffset, text.length).toString('latin1');
  const bytes = Buffer.from(encoded, 'base64');
  if (encoded === '' || bytes.toString('base64') !== encoded)
    throw new ArtifactError('signature-malformed', 'manifest.sig: not base64 on one line');
  return bytes;
}

/** Refuses a signature of `manifest` that none of the keys has made (`artifact-format.md` §5). */
export function checkSignature(manifest: Uint8Array, signature: Buffer, keys: readonly KeyObject[]): void {
  if (keys.some((key) => verifies(manifest, signature, key))) return;
  const usable = keys.some((key) => isSupported(key));
  throw new ArtifactError(
    'signature-invalid',
    usable
      ? 'manifest.sig: the signature matches none of the trusted keys'
      : 'manifest.sig: none of the trusted keys is an RSA or ECDSA P-256 key',
  );
}

function isSupported(key: KeyObject): boolean {
  return key.asymmetricKeyType === 'rsa' || isP256(key);
}

function isP256(key: KeyObject): boolean {
  return key.asymmetricKeyType === 'ec' && key.asymmetricKeyDetails?.namedCurve === 'prime256v1';
}

function verifies(manifest: Uint8Array, signature: Buffer, key: KeyObject): boolean {
  if (!isSupported(key)) return false;
  if (key.asymmetricKeyType === 'rsa') return verify('sha256', manifest, key, signature);
  // The format's own form is the raw pair r||s; PKCS#11 and cloud signers leave ASN.1 DER.
  const raw = signature.length === 64 && verify('sha256', manifest, { key, dsaEncoding: 'ieee-p1363' }, signature);
  return raw || (signature.length <= 72 && verify('sha256', manifest, { key, dsaEncoding: 'der' }, signature));
}
