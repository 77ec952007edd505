import { readFile } from 'node:fs/promises';
import { Option, type Command } from 'commander';
import { keySigner, parsePublicKey, type Signer } from '#artifact';
import { codeOf, messageOf } from '#base/errors';
import { misuse, reason } from './exit.ts';
import { pkcs11PublicKey, pkcs11Signer } from './pkcs11.ts';

export interface KeyOptions {
  readonly key?: string;
  readonly keyPkcs11?: string;
}

const elsewhere = ['--gcp-kms-key', '--vault-transit-key', '--keyfactor-signserver-worker', '--azure-key'];

/** Adds the options that name a key. `use` says what for. */
export function addKeyOptions(command: Command, use: 'sign' | 'verify'): Command {
  const what = use === 'sign' ? 'PEM private key to sign with' : 'PEM public key to verify the signature with';
  command
    .option('-k, --key <file>', what)
    .option('--key-pkcs11 <uri>', 'key in a PKCS#11 token, reached through openssl');
  for (const flag of elsewhere) {
    const option = new Option(`${flag} <id>`).hideHelp();
    command.addOption(
      option.argParser(() => {
        throw misuse(`${flag}: keys in cloud services are not supported, use -k or --key-pkcs11`);
      }),
    );
  }
  return command;
}

/** The signer that the options name; undefined: none. */
export async function signerOf({ key, keyPkcs11 }: KeyOptions): Promise<Signer | undefined> {
  if (key !== undefined && keyPkcs11 !== undefined) throw misuse('give one key only: -k or --key-pkcs11');
  if (keyPkcs11 !== undefined) return pkcs11Signer(keyPkcs11);
  return key === undefined ? undefined : named(key, keySigner);
}

/** The trusted public keys that the options name; undefined: none. */
export async function trustedKeysOf({ key, keyPkcs11 }: KeyOptions): Promise<string[] | undefined> {
  if (keyPkcs11 !== undefined) return [await pkcs11PublicKey(keyPkcs11)];
  return key === undefined ? undefined : [await named(key, publicKey)];
}

function publicKey(pem: string): string {
  parsePublicKey(pem);
  return pem;
}

async function named<T>(path: string, use: (pem: string) => T): Promise<T> {
  let pem: string;
  try {
    pem = await readFile(path, 'utf8');
  } catch (cause) {
    throw misuse(`${path}: the key cannot be read: ${reason(cause)}`);
  }
  try {
    return use(pem);
  } catch (error) {
    throw codeOf(error) === 'key_invalid' ? misuse(`${path}: ${messageOf(error)}`) : error;
  }
}
