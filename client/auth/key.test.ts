import { createPublicKey, generateKeyPairSync, verify } from 'node:crypto';
import { chmodSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { RigDevice } from '../rig/device.ts';
import { RigLog } from '../rig/log.ts';
import { openKey } from './key.ts';

let device: RigDevice;
let file: string;
let log: RigLog;
beforeEach(() => {
  device = new RigDevice({});
  file = join(device.root, 'store', 'key.pem');
  log = new RigLog();
});
afterEach(() => device[Symbol.dispose]());

const body = Buffer.from('{"id_data":"{}"}');

describe('the device key', () => {
  it('UC-5 is made once with mode 0600, again only by force', async () => {
    const first = await openKey({ file, fixed: false }, log);
    expect(statSync(file).mode & 0o777).toBe(0o600);
    expect((await openKey({ file, fixed: false }, log)).publicKey).toBe(first.publicKey);
    expect((await openKey({ file, fixed: false }, log, true)).publicKey).not.toBe(first.publicKey);
  });

  it('UC-5 a key of the configuration is neither made nor replaced', async () => {
    await expect(openKey({ file, fixed: true }, log)).rejects.toThrow('cannot read device key');
    await expect(openKey({ file, fixed: true }, log, true)).rejects.toThrow('never replaced');
  });

  it('CVE-2024-55959: a key that others may read gets its mode back', async () => {
    await openKey({ file, fixed: false }, log);
    chmodSync(file, 0o644);
    await openKey({ file, fixed: false }, log);
    expect(statSync(file).mode & 0o777).toBe(0o600);
    expect(log.text()).toContain('mode set to 0600');
  });

  it('UC-7 RSA, EC and Ed25519 keys sign as the server verifies', async () => {
    for (const { privateKey } of [
      generateKeyPairSync('rsa', { modulusLength: 2048 }),
      generateKeyPairSync('ec', { namedCurve: 'P-256' }),
      generateKeyPairSync('ed25519'),
    ]) {
      device.write(file, privateKey.export({ type: 'pkcs8', format: 'pem' }), 0o600);
      const key = await openKey({ file, fixed: false }, log);
      const algorithm = privateKey.asymmetricKeyType === 'ed25519' ? null : 'sha256';
      expect(verify(algorithm, body, createPublicKey(key.publicKey), Buffer.from(await key.sign(body), 'base64'))).toBe(
        true,
      );
    }
  });

  it('a key with a passphrase opens with it, and is not thrown away without it', async () => {
    const { privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
    device.write(
      file,
      privateKey.export({ type: 'pkcs8', format: 'pem', cipher: 'aes-256-cbc', passphrase: 'open' }),
      0o600,
    );
    const before = readFileSync(file, 'utf8');
    await expect(openKey({ file, fixed: false }, log)).rejects.toThrow('cannot use device key');
    expect(readFileSync(file, 'utf8')).toBe(before);
    expect((await openKey({ file, fixed: false, passphrase: 'open' }, log)).publicKey).toContain('PUBLIC KEY');
  });

  it('a key that a power cut left empty is set aside for a new one', async () => {
    device.write(file, '', 0o600);
    expect((await openKey({ file, fixed: false }, log)).publicKey).toContain('PUBLIC KEY');
    expect(readFileSync(`${file}-broken`, 'utf8')).toBe('');
    expect(log.lines.some(({ level }) => level === 'error')).toBe(true);
  });
});
