// Users, roles, the second factor and the audit log as people meet them: the real server, its pages in Chromium, and the
// command line in a real terminal.
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { TOTP } from 'otpauth';
import { spawn } from 'node-pty';
import { afterAll, beforeAll, expect, it, vi } from 'vitest';
import { buildPages, describeBrowser, Person } from './stage/person.ts';
import { Operator } from './stage/operator.ts';
import { launcher, startServer, type Server } from './stage/server.ts';

// Chromium on a busy machine takes its time.
vi.setConfig({ testTimeout: 180_000 });
const clerk = { email: 'clerk@example.com', password: 'a clerk who counts' };

describeBrowser('people', (executable) => {
  let folder: string;
  let server: Server;
  let person: Person;
  let secret = '';
  let recovery: string[] = [];
  /** The code of now; of the next step, which the server takes as well, for who has used up that. */
  const code = (ahead = 0): string => new TOTP({ secret }).generate({ timestamp: Date.now() + ahead * 30_000 });

  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'patchbay-people-'));
    await buildPages();
    server = await startServer(folder);
    person = await Person.at(server.url, executable);
  }, 120_000);
  afterAll(async () => {
    await person?.[Symbol.asyncDispose]();
    await server?.stop();
    await rm(folder, { recursive: true, force: true });
  });

  /** A command line in a terminal of a person of his own; what is typed goes in when its cue has appeared. */
  async function types(args: string[], ...typed: [cue: string | RegExp, keys: (screen: string) => string][]) {
    const env = {
      PATH: process.env['PATH'] ?? '',
      TERM: 'xterm-256color',
      NO_COLOR: '1',
      XDG_CONFIG_HOME: join(folder, 'config'),
    };
    const pty = spawn(process.execPath, [launcher, ...args], { cols: 120, rows: 60, env });
    let screen = '';
    pty.onData((data) => {
      screen += data;
      const [next] = typed;
      if (!next || (typeof next[0] === 'string' ? !screen.includes(next[0]) : !next[0].test(screen))) return;
      typed.shift();
      pty.write(next[1](screen));
    });
    const exit = await new Promise<number>((resolve) => pty.onExit(({ exitCode }) => resolve(exitCode)));
    return { exit, screen: screen.replaceAll('\r\n', '\n') };
  }
  const line = (text: string) => () => `${text}\r`;

  it('an administrator makes a role for some groups and a user who has it', async () => {
    await person.opens('/roles');
    await person.logsIn(server.user, server.password);
    await person.presses('New role');
    const dialog = person.page.getByRole('dialog');
    await dialog.getByLabel('Name').fill('cellar');
    await dialog.getByLabel('For', { exact: true }).fill('the pumps below');
    await dialog.getByLabel(/^See devices and whether/).check();
    const where = dialog.getByLabel('Where devices:read holds');
    await where.fill('pumps');
    await where.press('Enter');
    await dialog.getByLabel(/^See releases|^See and download/).check();
    await person.presses('Save', dialog);
    await person.sees('Role cellar saved');
    await person.sees('pumps, everywhere');
    await person.page.getByRole('link', { name: 'Users' }).first().click();
    await person.presses('Add user');
    await dialog.getByLabel('Email').fill(clerk.email);
    await dialog.getByRole('textbox', { name: 'Password' }).fill(clerk.password);
    await dialog.getByLabel('Roles', { exact: true }).fill('cellar');
    await person.page.getByRole('option', { name: 'cellar' }).click();
    await person.page.keyboard.press('Escape');
    await person.presses('Add', dialog);
    await person.sees(`${clerk.email} may log in now`);
    const admin = await Operator.login(server.url, server.user, server.password);
    const role = await admin.get('/v1/patchbay/roles/cellar');
    expect(role).toMatchObject({
      description: 'the pumps below',
      users: 1,
      grants: [{ permission: 'devices:read', groups: ['pumps'] }, { permission: 'releases:read' }],
    });
  });

  it('a user sets up the second factor from a QR code, and is asked for it at the next login', async () => {
    await person.page.evaluate('localStorage.clear(); sessionStorage.clear()');
    await person.opens('/security');
    await person.logsIn(clerk.email, clerk.password);
    await person.presses('Set up');
    await person.page.getByAltText('QR code for your authenticator').waitFor();
    secret = (await person.page.getByText(/^[A-Z2-7]{32}$/).innerText()).trim();
    await person.page.getByLabel('Code that it shows now').fill('000000');
    await person.presses('Switch on');
    await person.sees(/That is not the code that the new key gives now/);
    await person.page.getByLabel('Code that it shows now').fill(code());
    await person.presses('Switch on');
    await person.sees('Your recovery codes');
    recovery = (await person.page.locator('pre').innerText()).trim().split('\n');
    await person.presses('I have them');
    await person.sees('10 recovery codes are left');
    await person.page.evaluate('localStorage.clear(); sessionStorage.clear()');
    await person.opens('/devices');
    await person.logsIn(clerk.email, clerk.password);
    await person.sees(/Now the code that your authenticator shows/);
    await person.page.getByLabel('Code').fill('000000');
    await person.presses('Log in');
    await person.sees(/That code is wrong/);
    await person.page.getByLabel('Code').fill(code(1));
    await person.presses('Log in');
    await person.page.getByRole('heading', { name: 'Devices' }).waitFor();
  });

  it('who is confined sees no page that is not his to see', async () => {
    await person.page.getByRole('link', { name: 'Releases' }).waitFor();
    expect(await person.page.getByRole('link', { name: 'Audit log' }).count()).toBe(0);
    expect(await person.page.getByRole('link', { name: 'Users' }).count()).toBe(0);
    await person.presses(/^Account/);
    await person.page.getByRole('menuitem', { name: 'Security' }).click();
    await person.sees('This one');
    await person.sees('Chrome on Linux');
  });

  it('the command line asks for the code, and switches the second factor off and on', async () => {
    const login = await types(
      ['login', server.url, '--user', clerk.email],
      ['Password: ', line(clerk.password)],
      ['Code of the second factor', line(recovery[0]!)],
    );
    expect(login).toMatchObject({ exit: 0, screen: expect.stringContaining(`as ${clerk.email}`) as string });
    expect((await types(['users', '2fa'])).screen).toContain('your second factor is on; 9 recovery codes are left');
    const off = await types(['users', '2fa', 'off'], ['Code of', line(recovery[1]!)]);
    expect(off).toMatchObject({ exit: 0, screen: expect.stringContaining('your second factor is off') as string });
    const on = await types(
      ['users', '2fa', 'on'],
      [
        /its key: [A-Z2-7]{32}[^]*Code that it shows: /,
        (screen) => {
          secret = /its key: ([A-Z2-7]{32})/.exec(screen)![1]!;
          return `${code()}\r`;
        },
      ],
    );
    expect(on.screen).toMatch(/█|▄|▀/);
    expect(on.screen.match(/^[a-z2-9]{5}-[a-z2-9]{5}-[a-z2-9]{5}$/gm)).toHaveLength(10);
    const logins = await types(['users', 'logins']);
    expect(logins.screen).toMatch(/patchbay command on Linux +127\.0\.0\.1 .*this one/);
  });

  it('an administrator ends it all for a user, from the page', async () => {
    await person.page.evaluate('localStorage.clear(); sessionStorage.clear()');
    await person.opens('/users');
    await person.logsIn(server.user, server.password);
    await person.presses(`Actions for ${clerk.email}`);
    await person.page.getByRole('menuitem', { name: 'Reset second factor' }).click();
    await person.presses('Reset', person.page.getByRole('dialog'));
    await person.sees(`The second factor of ${clerk.email} is off`);
    await person.presses(`Actions for ${clerk.email}`);
    await person.page.getByRole('menuitem', { name: 'Logins' }).click();
    await person.presses(/^End patchbay command/, person.page.getByRole('dialog'));
    await person.sees('patchbay command on Linux ended');
    expect(await types(['whoami'])).toMatchObject({
      exit: 1,
      screen: expect.stringContaining('does not know you') as string,
    });
    await person.page.keyboard.press('Escape');
  });

  it('a server that wants it of everybody leads whoever has none to set it up, and nowhere else', async () => {
    await person.opens('/security');
    await person.page.getByRole('switch').click();
    await person.sees('This server wants a second factor of everybody.');
    await person.opens('/devices');
    await person.sees('This server wants a second factor of everybody.');
    expect(new URL(person.page.url()).pathname).toBe('/security');
    await person.presses('Set up');
    secret = (await person.page.getByText(/^[A-Z2-7]{32}$/).innerText()).trim();
    await person.page.getByLabel('Code that it shows now').fill(code());
    await person.presses('Switch on');
    await person.presses('I have them');
    await person.page.getByRole('link', { name: 'Devices', exact: true }).first().click();
    await person.page.getByRole('heading', { name: 'Devices' }).waitFor();
  });

  it('the audit log is filtered on its page, and exported by it and by the command line', async () => {
    await person.opens('/audit');
    await person.page.getByLabel('Action').selectOption('role_create');
    await person.sees('cellar');
    await person.page.getByLabel('Result').selectOption('failed');
    await person.sees('Nothing of the kind was done');
    await person.page.getByLabel('Result').selectOption('');
    await person.presses('Export');
    const [download] = await Promise.all([
      person.page.waitForEvent('download'),
      person.page.getByRole('menuitem', { name: /^CSV/ }).click(),
    ]);
    expect(download.suggestedFilename()).toMatch(/^patchbay-audit-.*\.csv$/);
    const csv = (await readFile(await download.path(), 'utf8')).trimEnd().split('\r\n');
    expect(csv).toHaveLength(2);
    expect(csv[1]).toMatch(/,P120I,role_create,ok,user,/);
    const token = await person.page.evaluate<string>(`localStorage.getItem('patchbay.token')`);
    const file = join(folder, 'audit.jsonl');
    const args = ['--server', server.url, '--token', token];
    const written = await types([...args, 'audit', 'export', '--format', 'jsonl', '--action', 'P101W', '-o', file]);
    expect(written.exit).toBe(0);
    const entries = (await readFile(file, 'utf8'))
      .trimEnd()
      .split('\n')
      .map((each) => JSON.parse(each) as object);
    expect(entries.length).toBeGreaterThan(1);
    for (const entry of entries) expect(entry).toMatchObject({ code: 'P101W', action: 'login', result: 'refused' });
    const list = await types([...args, 'audit', '--on', 'role:cellar']);
    expect(list.screen).toMatch(/role_create +role cellar +ok/);
    const made = await types([
      ...args,
      'roles',
      'add',
      'north',
      '--grant',
      '*:read@north',
      '--grant',
      'releases:read@cold',
    ]);
    expect(made.screen).toContain('role north added');
    expect((await types([...args, 'roles', 'show', 'north'])).screen).toMatch(
      /devices:read@north\n[^]*releases:read@cold/,
    );
  });

  it('nothing broke on the way, and nothing was kept from running by the security policy', () => {
    expect(person.faults).toEqual([]);
  });
});
