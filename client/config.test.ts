import { mkdirSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { loadConfig } from './config.ts';
import { paths } from './places.ts';
import { RigDevice } from './rig/device.ts';
import { RigLog } from './rig/log.ts';

let device: RigDevice;
let log: RigLog;
beforeEach(() => {
  device = new RigDevice({});
  log = new RigLog();
});
afterEach(() => device[Symbol.dispose]());

const main = (value: unknown) =>
  device.write(paths.config(device.places), typeof value === 'string' ? value : JSON.stringify(value));
const fallback = (value: unknown) => device.write(paths.fallbackConfig(device.places), JSON.stringify(value));
const load = (files = {}) => loadConfig(device.places, files, log);
function named(value: unknown): { config: string } {
  const config = join(device.root, 'named.conf');
  writeFileSync(config, typeof value === 'string' ? value : JSON.stringify(value));
  return { config };
}

describe('mender.conf', () => {
  it('UC-1 the main file wins key by key, a key of the fallback alone counts, inner keys too', () => {
    fallback({ UpdatePollIntervalSeconds: 5, TenantToken: 'f', HttpsClient: { Certificate: '/c', Key: '/old' } });
    main({ UpdatePollIntervalSeconds: 7, HttpsClient: { Key: '/k' } });
    expect(load()).toMatchObject({
      UpdatePollIntervalSeconds: 7,
      TenantToken: 'f',
      RetryPollIntervalSeconds: 300,
      HttpsClient: { Certificate: '/c', Key: '/k' },
    });
  });

  it('keys are found in any case, unknown ones and wrong values are named in the log', () => {
    main({ serverurl: 'https://a.example/', UpdatePollIntervalSecond: 1, SkipVerify: 'yes', DBus: { Enabled: true } });
    expect(load()).toMatchObject({ servers: ['https://a.example'], SkipVerify: false });
    expect(log.lines.map(({ fields }) => fields['key'])).toEqual(['UpdatePollIntervalSecond', 'SkipVerify']);
  });

  it('UC-2 broken JSON: defaults with a warning in the default file, an error in a named one', () => {
    main('{"ServerURL": ');
    expect(load().servers).toEqual([]);
    expect(log.lines[0]?.level).toBe('warn');
    expect(() => load(named('{"ServerURL": '))).toThrow('is no JSON');
    expect(() => load({ config: '/nonexistent' })).toThrow('cannot read /nonexistent');
  });

  it('UC-3 contradictions are refused', () => {
    const both = { ServerURL: 'http://a', Servers: [{ ServerURL: 'http://b' }] };
    main(both);
    expect(() => load()).toThrow('both Servers and ServerURL');
    expect(() => load(named(both))).toThrow('both Servers and ServerURL');
    main({ ArtifactVerifyKey: '/a', ArtifactVerifyKeys: ['/b'] });
    expect(() => load()).toThrow('both ArtifactVerifyKey');
  });

  it('UC-13 one half of a client certificate is refused', () => {
    main({ HttpsClient: { Certificate: '/c' } });
    expect(() => load()).toThrow('both Certificate and Key');
  });

  it('a list of servers in the main file replaces a single one of the fallback, and loses duplicates', () => {
    fallback({ ServerURL: 'http://old' });
    main({ Servers: [{ ServerURL: 'http://a/' }, { ServerURL: 'http://b' }, { ServerURL: 'http://a' }] });
    expect(load().servers).toEqual(['http://a', 'http://b']);
  });

  describe('a file that cannot be used keeps the last good one', () => {
    const keep = () => loadConfig(device.places, {}, log, true);
    beforeEach(() => {
      fallback({ TenantToken: 'tenant' });
      main({
        ServerURL: 'https://good.example',
        ArtifactVerifyKey: '/key.pem',
        HttpsClient: { Certificate: '/c', Key: '/k' },
      });
      expect(keep().problem).toBe('');
      log.lines.length = 0;
    });
    const good = { servers: ['https://good.example'], verifyKeys: ['/key.pem'], TenantToken: 'tenant' };

    it.each([
      ['cut short', '{"ServerURL": "https://new', 'is no JSON'],
      ['empty', '', 'is no JSON'],
      ['no object', '[]', 'holds no JSON object'],
    ])('%s', (_, text, why) => {
      main(text);
      const config = load();
      expect(config).toMatchObject({ ...good, HttpsClient: { Certificate: '/c', Key: '/k' } });
      expect(config.problem).toContain(why);
      expect(log.lines).toMatchObject([{ level: 'error', event: 'configuration unusable, the last good one is used' }]);
    });

    it('with a contradiction in it, or a value that must not be guessed', () => {
      main({ ServerURL: 'http://a', Servers: [{ ServerURL: 'http://b' }] });
      expect(load()).toMatchObject({ ...good, problem: expect.stringContaining('both Servers and ServerURL') });
      main({ ServerURL: 'http://a', RetryDownloadCount: 0 });
      expect(load()).toMatchObject({ ...good, problem: expect.stringContaining('RetryDownloadCount') });
    });

    it('one file of two: the other one counts as it is now', () => {
      fallback({ TenantToken: 'new' });
      main('{');
      expect(load()).toMatchObject({ ...good, TenantToken: 'new' });
    });

    it('is not kept itself, nor is one that was named', () => {
      main('{');
      keep();
      loadConfig(device.places, named({ ServerURL: 'http://other' }), log, true);
      main('{');
      expect(load()).toMatchObject(good);
    });

    it('is readable by root only, and does not stop a device whose store is read-only', () => {
      expect(statSync(paths.keptConfig(device.places)).mode & 0o777).toBe(0o600);
      rmSync(paths.keptConfig(device.places));
      mkdirSync(`${paths.keptConfig(device.places)}.next`);
      expect(keep().servers).toEqual(['https://good.example']);
      expect(log.text()).toContain('configuration not kept');
    });
  });
});
