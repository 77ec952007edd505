import { execFileSync } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

const module = '/usr/lib/softhsm/libsofthsm2.so';
const inLibraries = (name: string) =>
  readdirSync('/usr/lib').some((folder) => existsSync(join('/usr/lib', folder, name)));

/** Why there can be no PKCS#11 token on this machine; nothing if there can. */
export function tokenMissing(): string | undefined {
  const there = existsSync(module) && inLibraries('engines-3/pkcs11.so');
  return there ? undefined : 'install softhsm2 and libengine-pkcs11-openssl';
}

/** Why `SoftToken.provider` cannot be made here; nothing if it can. */
export function providerMissing(): string | undefined {
  return existsSync('/usr/include/openssl/core_dispatch.h') ? undefined : 'install libssl-dev and a C compiler';
}

const keys = {
  rsa: ['genrsa', '3072'],
  ec: ['ecparam', '-name', 'prime256v1', '-genkey', '-noout'],
  p384: ['ecparam', '-name', 'secp384r1', '-genkey', '-noout'],
  ed25519: ['genpkey', '-algorithm', 'ed25519'],
} as const;
export type TokenKeyName = keyof typeof keys;

/** A PKCS#11 token, that of SoftHSM, in a folder of its own; this process and its children use it until it is disposed of. */
export class SoftToken implements Disposable {
  readonly folder = mkdtempSync(join(tmpdir(), 'patchbay-token-'));
  readonly #before = { ...process.env };

  /** Each key is there twice: in the token, by its name, and as NAME.key, PEM, for who checks. */
  constructor(names: readonly TokenKeyName[]) {
    const config = this.at('softhsm2.conf');
    Object.assign(process.env, { SOFTHSM2_CONF: config, PKCS11_MODULE_PATH: module });
    mkdirSync(this.at('tokens'));
    writeFileSync(config, `directories.tokendir = ${this.at('tokens')}\nobjectstore.backend = file\n`);
    softhsm('--init-token', '--free', '--label', 'patchbay', '--pin', '1234', '--so-pin', '1234');
    for (const [index, name] of names.entries()) {
      this.#make(name);
      const into = ['--token', 'patchbay', '--pin', '1234', '--id', `0${index + 1}`, '--label', name];
      softhsm('--import', this.at(`${name}.p8`), ...into);
    }
  }

  at(name: string): string {
    return join(this.folder, name);
  }

  /** The name by which a key is used. */
  uri(key: string, pin = ';pin-value=1234'): string {
    return `pkcs11:token=patchbay;object=${key}${pin}`;
  }

  openssl(...args: string[]): void {
    execFileSync('openssl', args, { cwd: this.folder, stdio: 'pipe' });
  }

  /** A certificate for localhost, signed by the key itself; its file. */
  certificate(key: TokenKeyName): string {
    const ways = ['-x509', '-days', '2', '-key', `${key}.key`, '-subj', '/CN=localhost'];
    this.openssl('req', ...ways, '-addext', 'subjectAltName=DNS:localhost', '-out', `${key}.crt`);
    return this.at(`${key}.crt`);
  }

  /** From now on OpenSSL reaches keys of these names by a provider (`token-provider.c`), and there is no engine. */
  provider(names: readonly TokenKeyName[]): void {
    const source = join(import.meta.dirname, 'token-provider.c');
    execFileSync('cc', ['-shared', '-fPIC', '-o', this.at('token.so'), source], { stdio: 'pipe' });
    for (const name of names) {
      if (!existsSync(this.at(`${name}.p8`))) this.#make(name);
      this.openssl('pkey', '-in', `${name}.p8`, '-outform', 'DER', '-out', `${name}.der`);
    }
    writeFileSync(
      this.at('openssl.cnf'),
      `openssl_conf = init\n[init]\nproviders = all\n[all]\ndefault = plain\ntoken = token\n[plain]\nactivate = 1\n[token]\nmodule = ${this.at('token.so')}\nactivate = 1\n`,
    );
    const nowhere = this.at('no-engines');
    const [OPENSSL_CONF, PATCHBAY_TEST_TOKEN] = [this.at('openssl.cnf'), this.folder];
    Object.assign(process.env, { OPENSSL_CONF, PATCHBAY_TEST_TOKEN, OPENSSL_ENGINES: nowhere });
  }

  [Symbol.dispose](): void {
    process.env = this.#before;
    rmSync(this.folder, { recursive: true, force: true });
  }

  /** A key beside the token. */
  #make(name: TokenKeyName): void {
    const [command, ...args] = keys[name];
    const out = ['-out', `${name}.key`];
    // genrsa takes its size last.
    this.openssl(command, ...(command === 'genrsa' ? [...out, ...args] : [...args, ...out]));
    this.openssl('pkcs8', '-topk8', '-nocrypt', '-in', `${name}.key`, '-out', `${name}.p8`);
    this.openssl('pkey', '-in', `${name}.key`, '-pubout', '-out', `${name}.pub`);
  }
}

function softhsm(...args: string[]): void {
  execFileSync('softhsm2-util', args, { stdio: 'pipe' });
}
