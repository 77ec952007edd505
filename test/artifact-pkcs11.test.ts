// Keys in a PKCS#11 token, here that of SoftHSM, through openssl and its engine.
import { execFile } from 'node:child_process';
import { writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { SoftToken, tokenMissing } from '../client/rig/token.ts';
import { patchbayArtifact as patchbay } from './artifact-run.ts';
import { describePeers } from './peers.ts';

const run = promisify(execFile);

await describePeers('a key in a PKCS#11 token', ['mender-artifact'], suite, tokenMissing());

function suite(root: string): void {
  let token: SoftToken;
  const uri = (key: string) => `pkcs11:token=patchbay;object=${key};pin-value=1234`;
  const at = (name: string) => token.at(name);
  beforeAll(async () => {
    // The command hands its environment on to openssl, and the engine looks there.
    token = new SoftToken(['rsa', 'ec', 'p384']);
    process.chdir(token.folder);
    await writeFile(at('app.conf'), 'x=1\n');
  });
  afterAll(() => {
    process.chdir(tmpdir());
    token[Symbol.dispose]();
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
