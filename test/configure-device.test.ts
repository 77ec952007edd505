// The device side of the add-on configure: update module, apply scripts and report script, run as a client runs them.
import { execFile } from 'node:child_process';
import { chmod, mkdir, mkdtemp, readdir, readFile, readlink, rm, stat, writeFile } from 'node:fs/promises';
import { createServer, type Server } from 'node:http';
import { type AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { PrivateBus, TokenService } from '../connect/bus.testing.ts';
import { configureFiles as files } from './stage/configure.ts';

let folder: string;
let config: string;
let scripts: string;
let env: NodeJS.ProcessEnv;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'patchbay-configure-'));
  config = join(folder, 'var', 'device-config.json');
  scripts = join(folder, 'apply.d');
  await mkdir(scripts);
  env = { ...process.env, TEST_CONFIG: config, TEST_APPLY_DIR: scripts };
});
afterEach(() => rm(folder, { recursive: true, force: true }));

interface Ran {
  readonly code: number | string;
  readonly out: string;
  readonly err: string;
}
const run = (file: string, args: readonly string[], more: NodeJS.ProcessEnv = {}): Promise<Ran> =>
  new Promise((resolve) => {
    execFile(file, [...args], { env: { ...env, ...more } }, (error, out, err) =>
      resolve({ code: error ? (error.code ?? error.signal ?? '?') : 0, out, err }),
    );
  });

/** One update, as a client sees it. */
async function update(
  values: Record<string, string> | string,
): Promise<{ tree: string; call: (state: string) => Promise<Ran> }> {
  const tree = await mkdtemp(join(folder, 'tree-'));
  await mkdir(join(tree, 'header'));
  await mkdir(join(tree, 'tmp'));
  await writeFile(join(tree, 'header', 'meta-data'), typeof values === 'string' ? values : JSON.stringify(values));
  return { tree, call: (state) => run(files.module, [state, tree]) };
}
async function script(name: string, body: string, mode = 0o755): Promise<void> {
  await writeFile(join(scripts, name), `#!/bin/sh\n${body}\n`);
  await chmod(join(scripts, name), mode);
}
const stored = async (): Promise<unknown> => JSON.parse(await readFile(config, 'utf8'));

describe('the update module (add-ons.md §5.3)', () => {
  it('stores the settings for root alone and applies them in lexical order with one argument (CFG-7, CFG-8)', async () => {
    for (const name of ['20-b', '10-a', '3-c']) await script(name, `echo "$(basename "$0") $# $1" >>${folder}/calls`);
    const { call } = await update({ timezone: 'UTC' });
    expect(await call('SupportsRollback')).toEqual({ code: 0, out: 'Yes\n', err: '' });
    expect((await call('ArtifactInstall')).code).toBe(0);
    expect(await stored()).toEqual({ timezone: 'UTC' });
    expect((await stat(config)).mode & 0o777).toBe(0o600);
    expect(await readFile(join(folder, 'calls'), 'utf8')).toBe(
      ['10-a', '20-b', '3-c'].map((name) => `${name} 1 ${config}\n`).join(''),
    );
    expect(await call('NeedsArtifactReboot')).toEqual({ code: 0, out: 'No\n', err: '' });
    for (const state of ['ArtifactCommit', 'ArtifactVerifyReboot', 'ArtifactFailure', 'Cleanup', 'Download'])
      expect(await call(state)).toEqual({ code: 0, out: '', err: '' });
    expect(await readdir(join(folder, 'var'))).toEqual(['device-config.json']);
  });

  it('killed at any step leaves the old settings or the new ones, whole (CFG-7)', async () => {
    const bin = join(folder, 'bin');
    await mkdir(bin);
    for (const tool of ['cp', 'mv', 'sync', 'chmod'])
      await writeFile(
        join(bin, tool),
        `#!/bin/sh\nn=$(($(cat ${folder}/n) - 1)); echo $n >${folder}/n\n` +
          `[ $n = 0 ] && kill -9 $PPID && exit 1\nPATH=$REAL exec ${tool} "$@"\n`,
        { mode: 0o755 },
      );
    await (await update({ a: 'old' })).call('ArtifactInstall');
    const left = new Set<unknown>();
    let killed = 0;
    for (let step = 1; ; step += 1) {
      await writeFile(join(folder, 'n'), String(step));
      const { tree, call } = await update({ a: 'new' });
      const path = { PATH: `${bin}:${process.env['PATH']}`, REAL: process.env['PATH'] };
      const { code } = await run(files.module, ['ArtifactInstall', tree], path);
      left.add(((await stored()) as { a: string }).a);
      expect((await call('ArtifactRollback')).code).toBe(0);
      expect(await stored()).toEqual({ a: 'old' });
      if (code === 0) break;
      killed += 1;
    }
    expect(killed).toBeGreaterThan(5);
    expect(left).toEqual(new Set(['old', 'new']));
  });

  it('says which script failed and what it printed; the others still run; the settings before come back (CFG-9)', async () => {
    await (await update({ a: 'good' })).call('ArtifactInstall');
    await script('1', 'echo "1 $(cat "$1")" >>$(dirname "$0")/../calls');
    await script(
      '2-valve',
      'grep -q good "$1" && exit 0\necho the valve; echo is stuck >&2\nprintf "no newline"; exit 7',
    );
    await script('3', 'echo "3 $(cat "$1")" >>$(dirname "$0")/../calls');
    const { call } = await update({ a: 'bad' });
    const failed = await call('ArtifactInstall');
    expect(failed.code).toBe(7);
    expect(failed.out).toBe('2-valve: the valve\n2-valve: is stuck\n2-valve: no newline\n');
    expect(failed.err).toBe('mender-configure: 2-valve failed with exit code 7\n');
    expect((await call('ArtifactRollback')).code).toBe(0);
    expect(await stored()).toEqual({ a: 'good' });
    expect((await readFile(join(folder, 'calls'), 'utf8')).split('\n')).toEqual([
      '1 {"a":"bad"}',
      '3 {"a":"bad"}',
      '1 {"a":"good"}',
      '3 {"a":"good"}',
      '',
    ]);
  });

  it('asks for a reboot after exit code 20, also of a rollback; a real error outranks it (CFG-10)', async () => {
    await (await update({ a: '0' })).call('ArtifactInstall');
    await script('1', 'exit 20');
    const wanted = await update({ a: '1' });
    expect((await wanted.call('ArtifactInstall')).code).toBe(0);
    expect((await wanted.call('NeedsArtifactReboot')).out).toBe('Automatic\n');
    await script('2', 'grep -q 2 "$1" && exit 3; exit 0');
    await script('3', 'exit 20');
    const failing = await update({ a: '2' });
    expect((await failing.call('ArtifactInstall')).code).toBe(3);
    expect((await failing.call('NeedsArtifactReboot')).out).toBe('No\n');
    expect((await failing.call('ArtifactRollback')).code).toBe(0);
    expect((await failing.call('NeedsArtifactReboot')).out).toBe('Automatic\n');
    await script('4', 'exit 4');
    expect((await (await update({ a: '2' })).call('ArtifactInstall')).code).toBe(4);
    await script('5', '', 0o644);
    const { code, out } = await (await update({ a: '3' })).call('ArtifactInstall');
    expect([code, out]).toEqual([126, '5: not executable\n']);
  });

  it('removes the file if the first settings ever fail, and does not run the scripts for that (CFG-9, CFG-11)', async () => {
    await script('1', `echo called >>${folder}/calls; exit 1`);
    const { call } = await update({ a: 'b' });
    expect((await call('ArtifactInstall')).code).toBe(1);
    expect((await call('ArtifactRollback')).code).toBe(0);
    await expect(stat(config)).rejects.toThrow('ENOENT');
    expect(await readFile(join(folder, 'calls'), 'utf8')).toBe('called\n');
  });

  it('without a backup leaves everything as it is on a rollback', async () => {
    await (await update({ a: 'b' })).call('ArtifactInstall');
    expect((await (await update({ a: 'c' })).call('ArtifactRollback')).code).toBe(0);
    expect(await stored()).toEqual({ a: 'b' });
  });

  it('has nothing to run and succeeds without scripts or without their folder (CFG-12)', async () => {
    expect((await (await update({ a: 'b' })).call('ArtifactInstall')).code).toBe(0);
    await rm(scripts, { recursive: true });
    expect((await (await update({ a: 'c' })).call('ArtifactInstall')).code).toBe(0);
    expect(await stored()).toEqual({ a: 'c' });
  });

  it('at boot applies what is stored, ends as its scripts do and touches nothing else (CFG-13)', async () => {
    expect(await run(files.module, ['--apply-only'])).toEqual({ code: 0, out: '', err: '' });
    await (await update({ a: 'b' })).call('ArtifactInstall');
    await script('1', `cat "$1" >${folder}/seen; exit 20`);
    expect((await run(files.module, ['--apply-only'])).code).toBe(20);
    expect(await readFile(join(folder, 'seen'), 'utf8')).toBe('{"a":"b"}');
    expect(await readdir(join(folder, 'var'))).toEqual(['device-config.json']);
    await script('1', 'exit 5');
    expect((await run(files.module, ['--apply-only'])).code).toBe(5);
  });

  it('ends a script that hangs, and waits for no service that one has started', async () => {
    await script('1-service', 'sleep 30 & echo $! >"$(dirname "$0")/../service"; echo started');
    await script('2-hangs', 'sleep 30');
    const { tree } = await update({ a: 'b' });
    const { code, out, err } = await run(files.module, ['ArtifactInstall', tree], {
      MENDER_CONFIGURE_SCRIPT_TIMEOUT: '1',
    });
    process.kill(Number(await readFile(join(folder, 'service'), 'utf8')));
    expect([code, out]).toEqual([124, '1-service: started\n']);
    expect(err).toContain('2-hangs failed: it took longer than 1 s');
  });

  it('leaves out most of what a chatterbox prints, and does not take that for a fault', async () => {
    await script('1', 'i=0; while [ $i -lt 3000 ]; do echo "line $i"; i=$((i+1)); done');
    const { code, out } = await (await update({ a: 'b' })).call('ArtifactInstall');
    expect(code).toBe(0);
    expect(out.split('\n').slice(198)).toEqual(['1: line 198', '1: line 199', '1: (2800 more lines left out)', '']);
  });

  it('that cannot store the settings says so and changes nothing', async () => {
    await (await update({ a: 'b' })).call('ArtifactInstall');
    const { tree, call } = await update({ a: 'c' });
    await rm(join(tree, 'header', 'meta-data'));
    const { code, err } = await call('ArtifactInstall');
    expect([code, err]).toEqual([1, expect.stringContaining(`cannot be stored as ${config}`)]);
    expect((await call('ArtifactRollback')).code).toBe(0);
    expect(await stored()).toEqual({ a: 'b' });
  });
});

describe('the apply scripts that come with it', () => {
  const apply = async (name: string, values: Record<string, string> | string): Promise<Ran> => {
    await mkdir(join(folder, 'etc'), { recursive: true });
    const file = join(folder, 'settings.json');
    await writeFile(file, typeof values === 'string' ? values : JSON.stringify(values));
    return await run(join(files.scripts, name), [file], { MENDER_CONFIGURE_ROOT: folder });
  };
  const etc = (name: string): Promise<string> => readFile(join(folder, 'etc', name), 'utf8');

  it('keep the contract: wrong arguments 2, no file 1, no setting of theirs 0, no JSON a failure', async () => {
    for (const name of await readdir(files.scripts)) {
      expect([name, (await run(join(files.scripts, name), [])).code]).toEqual([name, 2]);
      expect([name, (await run(join(files.scripts, name), ['a', 'b'])).code]).toEqual([name, 2]);
      expect([name, (await run(join(files.scripts, name), [join(folder, 'none')])).code]).toEqual([name, 1]);
      expect([name, await apply(name, { other: 'x' })]).toEqual([name, { code: 0, out: '', err: '' }]);
      expect([name, (await apply(name, '{"a": 1}')).code]).toEqual([name, 1]);
      expect(await readdir(join(folder, 'etc'))).toEqual([]);
    }
  });

  it('set time zone, host name, locale and time servers', async () => {
    const values = { timezone: 'Europe/Berlin', hostname: 'pump-7', locale: 'de_DE.UTF-8', ntp_servers: 'ntp1 ::1' };
    for (const name of await readdir(files.scripts))
      expect(await apply(name, values)).toMatchObject({ code: 0, err: '' });
    expect(await etc('timezone')).toBe('Europe/Berlin\n');
    expect(await readlink(join(folder, 'etc', 'localtime'))).toBe('/usr/share/zoneinfo/Europe/Berlin');
    expect(await etc('hostname')).toBe('pump-7\n');
    expect(await etc('locale.conf')).toBe('LANG=de_DE.UTF-8\n');
    expect(await etc('systemd/timesyncd.conf.d/mender-configure.conf')).toBe('[Time]\nNTP=ntp1 ::1\n');
  });

  it.each([
    ['timezone', 'timezone', ['Nowhere/Atlantis', '', '../../etc/passwd', '/etc/passwd', 'UTC\nx']],
    ['hostname', 'hostname', ['', '-a', 'a b', 'a\nb', 'x'.repeat(65), 'a..b']],
    ['locale', 'locale', ['', '$(reboot)', 'de\nLD_PRELOAD=x']],
    ['ntp', 'ntp_servers', ['a\n[Time]', 'a;b', '$(reboot)']],
  ])('%s refuses what is none, says so, and changes nothing', async (name, key, bad) => {
    for (const value of bad) {
      const { code, err } = await apply(name, { [key]: value });
      expect([value, code]).toEqual([value, 1]);
      expect(err).toContain(value.split('\n')[0]);
      expect((await readdir(join(folder, 'etc'))).filter((file) => file !== 'systemd')).toEqual([]);
    }
  });

  it('read JSON as it is: escapes, spaces, a key that is the beginning of another', async () => {
    const file = join(folder, 'settings.json');
    await writeFile(file, '{\n "timezones":"no", "q\\"k" : "\\u00e9\\ud83d\\ude00\\\\ \\/ \\t,}",\n "é":"ü" }\n');
    const value = async (key: string) => await run(files.value, [key, file]);
    expect(await value('q"k')).toEqual({ code: 0, out: 'é😀\\ / \t,}\n', err: '' });
    expect((await value('é')).out).toBe('ü\n');
    expect((await value('timezone')).code).toBe(1);
    for (const broken of ['', '[]', '{"a":"b"', '{"a" "b"}', '{"a":"b" "c":"d"}', '{"a":"b']) {
      await writeFile(file, broken);
      expect([broken, (await value('a')).code]).toEqual([broken, 2]);
    }
  });
});

describe('the report script (add-ons.md §5.3)', () => {
  let bus: PrivateBus;
  let server: Server;
  let status = 204;
  const calls: { method: string; url: string; auth: string; type: string; body: string }[] = [];
  beforeEach(async () => {
    bus = await PrivateBus.start();
    calls.length = 0;
    status = 204;
    server = createServer((req, res) => {
      void text(req).then((body) => {
        const { authorization = '', 'content-type': type = '' } = req.headers;
        calls.push({ method: req.method ?? '', url: req.url ?? '', auth: authorization, type, body });
        res.writeHead(status).end();
      });
    });
    await new Promise<void>((resolve) => void server.listen(0, '127.0.0.1', resolve));
  });
  afterEach(async () => {
    server.closeAllConnections();
    server.close();
    await bus[Symbol.asyncDispose]();
  });
  const url = () => `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  const report = () =>
    run(files.report, [], { DBUS_SYSTEM_BUS_ADDRESS: bus.address, TEST_CONFIG_CHECKSUM: join(folder, 'var', 'sum') });

  it('sends the file as it is, once, and again when token or file have changed, and prints nothing (CFG-14)', async () => {
    using tokens = await TokenService.start(bus.address, 'one', url());
    expect(await report()).toEqual({ code: 0, out: '', err: '' }); // nothing to report yet
    expect(calls).toEqual([]);
    await (await update('{"a": "b"}\n')).call('ArtifactInstall');
    expect(await report()).toEqual({ code: 0, out: '', err: '' });
    const path = '/api/devices/v1/deviceconfig/configuration';
    expect(calls).toEqual([
      { method: 'PUT', url: path, auth: 'Bearer one', type: 'application/json', body: '{"a": "b"}\n' },
    ]);
    await report();
    expect(calls).toHaveLength(1);
    tokens.announce('two', url());
    await report();
    expect(calls[1]).toMatchObject({ auth: 'Bearer two' });
    await (await update({ a: 'c' })).call('ArtifactInstall');
    await report();
    expect(calls[2]).toMatchObject({ body: '{"a":"c"}' });
  });

  it('without a token waits, without a server or a client says so, and after an error tries again (CFG-15)', async () => {
    await (await update({ a: 'b' })).call('ArtifactInstall');
    expect((await report()).code).toBe(1);
    using tokens = await TokenService.start(bus.address, '', url());
    expect(await report()).toEqual({ code: 0, out: '', err: '' });
    tokens.announce('one', '');
    expect(await report()).toMatchObject({ code: 1, out: '', err: expect.stringContaining('names no server') });
    expect(calls).toEqual([]);
    tokens.announce('one', url());
    status = 500;
    expect(await report()).toMatchObject({ code: 22, out: '' });
    status = 204;
    expect((await report()).code).toBe(0);
    expect(calls).toHaveLength(2);
  });
});
