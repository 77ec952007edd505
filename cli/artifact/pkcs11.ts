import { execFile } from 'node:child_process';
import { createPublicKey } from 'node:crypto';
import { rawSignature, signatureLength, type Signer } from '#artifact';
import { codeOf } from '#base/errors';
import { misuse } from './exit.ts';

/**
 * Signs with a key that never leaves its token. The `openssl` program and its pkcs11 engine do the work: the PIN, where
 * one is needed, is in the URI (`pin-value`) or asked for by the engine.
 */
export async function pkcs11Signer(uri: string): Promise<Signer> {
  const length = signatureLength(createPublicKey(await pkcs11PublicKey(uri)));
  return {
    length,
    async sign(manifest) {
      const made = await openssl(['dgst', '-sha256', ...engine, '-keyform', 'engine', '-sign', checked(uri)], manifest);
      return rawSignature(made, length);
    },
  };
}

/** The public half of a key in a token, as PEM. */
export async function pkcs11PublicKey(uri: string): Promise<string> {
  const pem = await openssl(['pkey', ...engine, '-pubin', '-inform', 'engine', '-in', checked(uri), '-pubout'], '');
  return pem.toString('latin1');
}

const engine = ['-engine', 'pkcs11'];

function checked(uri: string): string {
  if (!uri.startsWith('pkcs11:'))
    throw misuse(`--key-pkcs11 ${uri}: not a PKCS#11 URI such as pkcs11:token=NAME;object=KEY`);
  return uri;
}

function openssl(args: readonly string[], input: Uint8Array | string): Promise<Buffer> {
  return new Promise((resolve, reject) => {
    const child = execFile('openssl', args, { encoding: 'buffer', timeout: 60_000 }, (error, stdout, stderr) => {
      if (!error) resolve(stdout);
      else if (codeOf(error) === 'ENOENT') reject(misuse('PKCS#11 keys need the program openssl'));
      else reject(misuse(`openssl could not use the PKCS#11 key: ${complaint(stderr.toString('utf8'))}`));
    });
    child.stdin?.on('error', () => undefined);
    child.stdin?.end(input);
  });
}

/** The one line of openssl's many that says what is wrong. */
function complaint(text: string): string {
  const lines = text
    .split('\n')
    .map((line) => line.trim())
    .filter(Boolean);
  if (/could not load the shared library|invalid engine|no such engine/i.test(text))
    return 'its pkcs11 engine is not installed (Debian: libengine-pkcs11-openssl)';
  return (lines.find((line) => !/^(Engine|engine|[0-9A-F]{12,}:)/.test(line)) ?? lines[0] ?? 'no reason given').slice(
    0,
    200,
  );
}
