import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { Type } from 'typebox';
import { silentLog } from '#base/log';
import { addonLoader, ours } from '#addon/loading';
import { loadAddons } from './addons.ts';
import { readConfig, section, type Settings } from './config.ts';

const folder = mkdtempSync(join(tmpdir(), 'patchbay-config-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const place = (name: string, text: string): string => {
  writeFileSync(join(folder, name), text);
  return join(folder, name);
};
const none = join(folder, 'none.conf');
const shells = place('shells', '# comment\n/bin/sh\n/bin/bash\n');
const warnings: [string, Settings][] = [];
const read = async (config: unknown, fallback?: unknown, list = shells) =>
  await readConfig(
    {
      config: config === undefined ? none : place('main.conf', JSON.stringify(config)),
      fallback: fallback === undefined ? none : place('fallback.conf', JSON.stringify(fallback)),
      shells: list,
    },
    (...warning) => void warnings.push(warning),
  );

describe('the configuration', () => {
  it('is that of the main file over that of the fallback, key by key, whatever their case', async () => {
    const { settings, ShellCommand, User } = await read(
      { user: 'root', Terminal: { Width: 100 } },
      { USER: 'nobody', ShellCommand: '/bin/bash', terminal: { Height: 50, width: 1 } },
    );
    expect({ User, ShellCommand }).toEqual({ User: 'root', ShellCommand: '/bin/bash' });
    const size = Type.Object({ Width: Type.Integer(), Height: Type.Integer() });
    expect(section(settings, 'terminal', size)).toEqual({ Width: 100, Height: 50 });
  });

  it('gives an add-on its section, and keys of the top level that its section does not have', () => {
    const schema = Type.Object({
      User: Type.String(),
      Disable: Type.Boolean(),
      Sessions: Type.Object({ MaxPerUser: Type.Integer() }),
    });
    const settings = {
      User: 'root',
      Other: 1,
      sessions: { maxperuser: 3 },
      FileTransfer: { disable: true, Chroot: '/x' },
    };
    expect(section(settings, 'file-transfer', schema)).toEqual({
      User: 'root',
      Disable: true,
      Sessions: { MaxPerUser: 3 },
    });
  });

  it('loads every add-on of ours by default', async () => {
    const { Addons, settings, file } = await read({ User: 'root', ShellCommand: '/bin/bash' });
    expect(Addons).toBeUndefined();
    const names = ours.names('device');
    expect(names.length).toBeGreaterThan(3);
    const device = { ask: () => Promise.reject(new Error('offline')) };
    const loaded = await loadAddons(names, addonLoader(file), { settings, device, log: silentLog });
    expect(loaded.map(({ id }) => id)).toEqual(names);
  });

  it('TERM-10 warns of settings that exclude one another or mean nothing any more', async () => {
    warnings.length = 0;
    await read({ User: 'root', ServerURL: 'https://x', Sessions: { ExpireAfter: 1, ExpireAfterIdle: 2 } });
    expect(warnings.map(([what]) => what)).toEqual([
      'setting ignored',
      'ExpireAfter and ExpireAfterIdle are mutually exclusive',
    ]);
  });
});

describe('TERM-5 TERM-15 D-44 the daemon does not start', () => {
  it.each<[string, unknown, string | RegExp]>([
    ['without any file', undefined, 'please provide a user to run the shell as'],
    ['without a user', {}, 'please provide a user to run the shell as'],
    ['with a user that is not there', { User: 'no-such-user' }, /User: unknown user no-such-user/],
    ['with a user that is an option', { User: '--help' }, /unknown user --help/],
    ['with a shell by its name', { User: 'root', ShellCommand: 'bash' }, 'given shell (bash) is not an absolute path'],
    [
      'with a shell that is no program',
      { User: 'root', ShellCommand: '/etc/passwd' },
      'given shell (/etc/passwd) is not executable',
    ],
    [
      'with a program that is no shell',
      { User: 'root', ShellCommand: '/bin/ls' },
      /ShellCommand \/bin\/ls is not present in .*shells/,
    ],
    ['with a value of the wrong kind', { User: 5 }, /User must be string/],
  ])('%s', async (_, config, message) => {
    await expect(read(config)).rejects.toThrow(message);
  });

  it('with a file that is no JSON, which is named', async () => {
    const broken = place('broken.conf', '{"User": ');
    await expect(readConfig({ config: broken, fallback: none, shells }, () => {})).rejects.toThrow(/broken\.conf: /);
  });

  it('where no shells are listed at all, with another than /bin/sh', async () => {
    await expect(read({ User: 'root', ShellCommand: '/bin/bash' }, undefined, join(folder, 'no-list'))).rejects.toThrow(
      'ShellCommand /bin/bash is not present in',
    );
    await expect(read({ User: 'root' }, undefined, join(folder, 'no-list'))).resolves.toMatchObject({
      ShellCommand: '/bin/sh',
    });
  });
});
