import { createPrivateKey, sign, type KeyObject } from 'node:crypto';
import { CodedError, messageOf } from '#base/errors';

/** Signs a manifest. The length of its signatures is known beforehand, so that an artifact can be written in one go. */
export interface Signer {
  /** Bytes of each signature. */
  readonly length: number;
  sign(manifest: Uint8Array): Promise<Uint8Array>;
}

/** Signs with a PEM private key: RSA, or ECDSA on P-256 (`artifact-format.md` §5). Throws `key_invalid`. */
export function keySigner(pem: string): Signer {
  const key = privateKey(pem);
  return {
    length: signatureLength(key),
    sign: (manifest) => Promise.resolve(sign('sha256', manifest, { key, dsaEncoding: 'ieee-p1363' })),
  };
}

function privateKey(pem: string): KeyObject {
  try {
    return createPrivateKey(pem);
  } catch (cause) {
    throw new CodedError('key_invalid', `not a PEM private key without a passphrase: ${messageOf(cause)}`, { cause });
  }
}

/** Bytes of a signature by `key`, private or public. Throws `key_invalid` for keys that the format does not have. */
export function signatureLength(key: KeyObject): number {
  const { modulusLength, namedCurve } = key.asymmetricKeyDetails ?? {};
  if (key.asymmetricKeyType === 'rsa' && modulusLength) return Math.ceil(modulusLength / 8);
  if (key.asymmetricKeyType === 'ec' && namedCurve === 'prime256v1') return 64;
  throw new CodedError(
    'key_invalid',
    `only RSA and ECDSA P-256 keys can sign an artifact, not ${key.asymmetricKeyType} ${namedCurve ?? ''}`.trim(),
  );
}

/** A signature in the form that the format stores: an RSA signature as it is, an ECDSA one from ASN.1 DER to r||s. */
export function rawSignature(made: Uint8Array, length: number): Uint8Array {
  if (made.length === length) return made;
  const bytes = Buffer.from(made);
  const [sequence, , integer, first = 0] = bytes;
  const second = 4 + first;
  if (length !== 64 || sequence !== 0x30 || integer !== 2 || bytes[second] !== 2)
    throw new CodedError(
      'signature_unusable',
      `a signature of ${made.length} bytes came where ${length} were expected`,
    );
  const part = (from: number, size: number) => {
    const number = bytes.subarray(from, from + size);
    const significant = number.subarray(Math.max(0, number.length - 32));
    return Buffer.concat([Buffer.alloc(32 - significant.length), significant]);
  };
  return Buffer.concat([part(4, first), part(second + 2, bytes[second + 1] ?? 0)]);
}
