// Keys in a PKCS#11 token, here that of SoftHSM, through openssl and its engine.
import { execFile } from 'node:child_process';
import { existsSync } from 'node:fs';
import { mkdir, mkdtemp, readdir, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { patchbayArtifact as patchbay } from './artifact-run.ts';
import { describePeers } from './peers.ts';

const run = promisify(execFile);
const module = '/usr/lib/softhsm/libsofthsm2.so';
const missing = !existsSync(module) || (await engines()).length === 0;

/** Where openssl looks for its pkcs11 engine, if it is there. */
async function engines(): Promise<string[]> {
  const { stdout } = await run('openssl', ['version', '-e']).catch(() => ({ stdout: '' }));
  const folder = /"(.*)"/.exec(stdout)?.[1];
  const files = folder === undefined ? [] : await readdir(folder).catch(() => []);
  return files.filter((file) => /pkcs11.*\.so$/.test(file));
}

const title = 'a key in a PKCS#11 token';
if (missing && process.env['CI'] !== 'true')
  describe.skip(`${title} (install softhsm2 and libengine-pkcs11-openssl)`, () => test('signs', () => undefined));
else await describePeers(title, ['mender-artifact'], suite);

function suite(root: string): void {
  let folder: string;
  const before = { ...process.env };
  const uri = (key: string) => `pkcs11:token=patchbay;object=${key};pin-value=1234`;
  const at = (name: string) => join(folder, name);
  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'artifact-pkcs11-'));
    // The command hands its environment on to openssl, and the engine looks there.
    Object.assign(process.env, { SOFTHSM2_CONF: at('softhsm2.conf'), PKCS11_MODULE_PATH: module });
    process.chdir(folder);
    await mkdir(at('tokens'));
    await writeFile(at('softhsm2.conf'), `directories.tokendir = ${at('tokens')}\nobjectstore.backend = file\n`);
    await run('softhsm2-util', ['--init-token', '--free', '--label', 'patchbay', '--pin', '1234', '--so-pin', '1234']);
    for (const [id, name, args] of [
      ['01', 'rsa', ['genrsa', '-out', at('rsa.key'), '3072']],
      ['02', 'ec', ['ecparam', '-name', 'prime256v1', '-genkey', '-noout', '-out', at('ec.key')]],
      ['03', 'p384', ['ecparam', '-name', 'secp384r1', '-genkey', '-noout', '-out', at('p384.key')]],
    ] as const) {
      await run('openssl', args);
      await run('openssl', ['pkcs8', '-topk8', '-nocrypt', '-in', at(`${name}.key`), '-out', at(`${name}.p8`)]);
      await run('openssl', ['pkey', '-in', at(`${name}.key`), '-pubout', '-out', at(`${name}.pub`)]);
      const into = ['--token', 'patchbay', '--pin', '1234', '--id', id, '--label', name];
      await run('softhsm2-util', ['--import', at(`${name}.p8`), ...into]);
    }
    await writeFile(at('app.conf'), 'x=1\n');
  });
  afterAll(async () => {
    process.chdir(tmpdir());
    process.env = before;
    await rm(folder, { recursive: true });
  });

  test.each(['rsa', 'ec'])('signs with %s: we verify it, and mender-artifact too', async (key) => {
    const args = ['-n', 'r', '-c', 'b', '-T', 'x', '-f', 'app.conf', '-o', 'signed.mender'];
    expect(await patchbay('write', 'module-image', ...args, '--key-pkcs11', uri(key))).toMatchObject({
      code: 0,
      err: '',
    });
    expect(await patchbay('validate', '-k', `${key}.pub`, 'signed.mender')).toMatchObject({ code: 0 });
    expect(await patchbay('validate', '--key-pkcs11', uri(key), 'signed.mender')).toMatchObject({ code: 0 });
    const mender = join(root, 'usr', 'bin', 'mender-artifact');
    await expect(run(mender, ['validate', '-k', at(`${key}.pub`), at('signed.mender')])).resolves.toBeDefined();
    expect(await patchbay('sign', '--force', '--key-pkcs11', uri(key), 'signed.mender')).toMatchObject({ code: 0 });
    expect(await patchbay('validate', '-k', `${key}.pub`, 'signed.mender')).toMatchObject({ code: 0 });
  });

  test.each([
    ['a key that is not there', uri('nothere'), /openssl could not use the PKCS#11 key/],
    ['a curve that the format does not have', uri('p384'), /only RSA and ECDSA P-256/],
    ['what is no PKCS#11 URI', '/etc/passwd', /not a PKCS#11 URI/],
  ])('says so of %s, on one line', async (_, key, line) => {
    const { code, err } = await patchbay('write', 'bootstrap-artifact', '-n', 'r', '-c', 'b', '--key-pkcs11', key);
    expect({ code, lines: err.trim().split('\n').length }).toEqual({ code: 1, lines: 1 });
    expect(err).toMatch(line);
  });
}
