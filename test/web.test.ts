// The web pages as a person meets them: our server, client and Connect daemon, and Chromium.
import { cp, mkdir, mkdtemp, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { bytesSource, writeArtifact } from '#artifact';
import { buildPages, describeBrowser, Person } from './stage/person.ts';
import { startBus } from './stage/bus.ts';
import { layDevice } from './stage/mender.ts';
import { Operator } from './stage/operator.ts';
import { startClient, startConnect } from './stage/patchbay.ts';
import { eventually, type Program } from './stage/program.ts';
import { launcher, startServer, type Server } from './stage/server.ts';

const mac = '02:00:00:00:77:01';
const visitor = { email: 'visitor@example.com', password: 'only looking around' };

describeBrowser('the web pages', (executable) => {
  let folder: string;
  let server: Server;
  let operator: Operator;
  let bus: Program & { address: string };
  let client: Program;
  let connect: Program;
  let person: Person;

  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'patchbay-web-'));
    await buildPages();
    server = await startServer(folder, launcher, ['--record-terminals', 'all', '--min-free', '1000000']);
    operator = await Operator.login(server.url, server.user, server.password);
    bus = await startBus(folder);
    await layDevice({ folder, mac, type: 'bench', serverUrl: server.url });
    await cp(
      join(import.meta.dirname, '..', 'client', 'share', 'modules'),
      join(folder, 'usr', 'share', 'mender', 'modules'),
      { recursive: true },
    );
    person = await Person.at(server.url, executable);
  }, 120_000);

  afterAll(async () => {
    await person?.[Symbol.asyncDispose]();
    await connect?.stop();
    await client?.stop();
    await bus?.stop();
    await server?.stop();
    await rm(folder, { recursive: true, force: true });
  });

  it('a stranger is asked who he is, a wrong password is told, and the right one leads on to where he wanted', async () => {
    await person.opens('/devices?status=pending');
    await person.logsIn(server.user, 'wrong horse');
    await person.sees('The email address or the password is wrong.');
    await person.logsIn(server.user, server.password);
    await person.sees('No device waits for acceptance');
    await person.sees('Live');
  });

  it('a device that asks to join shows up by itself, and one press lets it in', async () => {
    client = startClient(folder, bus.address);
    await person.presses(`Accept ${mac}`);
    await person.sees('1 device accepted');
    await person.sees('No device waits for acceptance');
    await person.page.getByRole('tab', { name: 'Accepted' }).click();
    await person.page.getByRole('link', { name: 'bench-1' }).waitFor();
  });

  it('while it is offline its terminal says so, and opens by itself when it connects', async () => {
    await person.page.getByRole('link', { name: 'bench-1' }).click();
    await person.page.getByRole('tab', { name: 'Terminal' }).click();
    await person.sees('bench-1 is offline');
    connect = await startConnect(folder, bus.address);
    await person.sees(/^Connected\./, person.page, 45_000);
  });

  it('a command runs in its terminal, which has the size of the window (D-32)', async () => {
    await person.types('PS1="ready> "; echo it-is-$((6*7))');
    await person.reads(/it-is-42/);
    const cells = async () => (await person.page.locator('.terminal-size').innerText()).split('×').reverse().join(' ');
    const before = await cells();
    await person.types('clear; stty size');
    await person.reads(new RegExp(before));
    await person.page.setViewportSize({ width: 1000, height: 700 });
    await eventually('another size', async () => (await cells()) !== before);
    await person.types('clear; stty size');
    await person.reads(new RegExp(await cells()));
    // All of its lines are in sight, the last one too.
    const box = async (part: string) => (await person.page.locator(part).boundingBox())!;
    const { y, height } = await box('.xterm-screen');
    expect(y + height).toBeLessThanOrEqual((await box('.terminal-foot')).y);
  });

  it('characters of several bytes come whole, and a big paste arrives to the last byte (D-42)', async () => {
    await person.types("clear; printf '%b' '\\xc5\\xbelu\\xc5\\xa5 \\xf0\\x9f\\x90\\x8e'");
    await person.reads(/žluť 🐎/u);
    const file = join(folder, 'pasted');
    await person.types(`clear; echo reading-$((1+1)); cat > ${file}`);
    // Until the shell has given its terminal away a paste would come in its brackets.
    await person.reads(/reading-2/);
    // A line of a terminal is at most 4096 bytes.
    const pasted = `${'žluťoučký 🐎 '.repeat(60)}\n`.repeat(120);
    await person.pastes(pasted);
    await eventually('all of the paste', async () => (await stat(file)).size === Buffer.byteLength(pasted));
    await person.page.keyboard.press('Control+D');
    expect(await readFile(file, 'utf8')).toBe(pasted);
  });

  it('a shell keeps running while another tab is looked at', async () => {
    await person.types('clear; keep=here');
    await person.page.getByRole('tab', { name: 'Overview' }).click();
    await person.sees('Reported by the device');
    await person.page.getByRole('tab', { name: 'Terminal' }).click();
    await person.types('clear; echo still-$keep');
    await person.reads(/still-here/);
  });

  it('ask-9 a page that is loaded anew goes on with its shell, with what was on the screen', async () => {
    await person.types('clear; keep=reloaded; echo on-the-screen-$((1+1))');
    await person.reads(/on-the-screen-2/);
    await person.types('sleep 1; echo said-$((1+1))-meanwhile');
    await person.page.reload();
    await person.sees(/^Connected\./);
    await person.reads(/on-the-screen-2/);
    await person.reads(/said-2-meanwhile/);
    await person.types('echo still-$keep');
    await person.reads(/still-reloaded/);
    expect(await operator.sessions()).toHaveLength(1);
  });

  it('ask-9 a server that is killed and started again is no end: the person sees it and goes on typing', async () => {
    await person.types('clear; keep=killed');
    await server.restart('SIGKILL');
    await person.sees(/^Reconnecting to bench-1/);
    await person.sees(/^Connected\./, person.page, 45_000);
    await person.types('echo still-$keep');
    await person.reads(/still-killed/);
  });

  it('who is on the device is listed, and can be ended from there', async () => {
    await person.page.getByRole('tab', { name: 'Sessions' }).click();
    const row = person.page
      .getByRole('table', { name: /Sessions with/ })
      .getByRole('row')
      .nth(1);
    await person.sees('Terminal', row);
    await person.sees(server.user, row);
    const end = row.getByRole('button', { name: 'End' });
    // On a telephone the list is wider than the screen, and its buttons are in sight all the same.
    await person.page.setViewportSize({ width: 420, height: 800 });
    const { x, width } = (await end.boundingBox())!;
    expect(x + width).toBeLessThan(420);
    await end.click();
    await person.presses('End it');
    await person.sees('Nobody is on this device now');
    await person.page.setViewportSize({ width: 1280, height: 800 });
  });

  it('what a terminal showed is played in the page, at any moment of it, and stays in it', async () => {
    const { page } = person;
    const row = page
      .getByRole('table', { name: /Recordings of/ })
      .getByRole('row')
      .nth(1);
    await person.sees('complete', row);
    await person.presses('Play', row);
    const screen = page.locator('[data-recording] .xterm-rows');
    // Of a server that was killed in between it is one recording.
    await page.getByRole('slider', { name: 'Moment' }).press('End');
    await screen.filter({ hasText: 'still-killed' }).waitFor();
    await page.getByRole('slider', { name: 'Moment' }).press('Home');
    await screen.filter({ hasNotText: 'still-killed' }).waitFor();
    await page.getByText('8×').click();
    await person.presses('Play', page.getByRole('dialog'));
    await screen.filter({ hasText: 'still-killed' }).waitFor({ timeout: 40_000 });
    await page.keyboard.press('Escape');
    await screen.waitFor({ state: 'detached' });
  });

  it('whose session was ended is told, and may open another one', async () => {
    await person.page.getByRole('tab', { name: 'Terminal' }).click();
    await person.sees(/An administrator has ended this session\. Press Enter/);
    await person.presses('Reconnect');
    await person.sees(/^Connected\./);
  });

  it('a shell that ends says so, and Enter opens another one', async () => {
    await person.types('exit 3');
    await person.sees('The shell has ended with code 3. Press Enter to reconnect.');
    await person.page.keyboard.press('Enter');
    await person.sees(/^Connected\./);
    await person.types('echo second-$((1+1))');
    await person.reads(/second-2/);
  });

  it('a device that goes away is told in the terminal and beside its name', async () => {
    await connect.stop();
    await person.sees(/Press Enter to reconnect/);
    await person.sees('offline');
    await person.presses('Reconnect');
    await person.sees(/The device is offline: it has no connection to this server now\./);
    connect = await startConnect(folder, bus.address);
    await person.sees('online', person.page, 45_000);
  });

  it('an artifact is uploaded; one that is broken says why it is not stored', async () => {
    const good = await greeting('hello-1', 'hello from the web\n');
    const bad = join(folder, 'bad.mender');
    await writeFile(bad, (await readFile(good)).fill(0, 1600, 1700));
    await person.page.getByRole('link', { name: 'Releases' }).click();
    await person.sees('No release yet');
    await person.presses('Upload');
    const dialog = person.page.getByRole('dialog');
    await person.page.locator('input[type=file]').setInputFiles(good);
    await person.sees(/stored$/, dialog);
    await person.drops(bad, dialog.locator('.drop'));
    await person.sees('Not stored', dialog);
    await person.sees(/^The artifact cannot be taken/, dialog);
    await person.presses('Close', dialog.locator('form, .mantine-Modal-body'));
    await person.page.getByRole('link', { name: 'hello-1' }).click();
    await person.sees('single-file');
  });

  it('a deployment is made from the device, watched, and finishes; the file is there', async () => {
    await person.page.getByRole('link', { name: 'Devices', exact: true }).first().click();
    await person.page.getByRole('link', { name: 'bench-1' }).click();
    await deploys('hello-1');
    await person.sees('Finished', person.page, 60_000);
    await person.sees('Success');
    expect(await readFile(join(folder, 'installed', 'greeting'), 'utf8')).toBe('hello from the web\n');
  });

  it('an update that fails says so, and its log can be read', async () => {
    const file = await failing('broken-1');
    await operator.upload(file);
    await person.page.getByRole('link', { name: 'Devices', exact: true }).first().click();
    await person.page.getByRole('link', { name: 'bench-1' }).click();
    await deploys('broken-1');
    await person.presses(/^Log of bench-1/);
    await person.page.locator('pre').filter({ hasText: 'the cable is cut' }).waitFor();
    await person.page.keyboard.press('Escape');
  });

  it('TRB-8 a role that may only look is told why, in place of a button that fails (ask-1)', async () => {
    await operator.request('POST', '/v1/useradm/users', { ...visitor, roles: ['read-only'] });
    await person.presses(/^Account/);
    await person.page.getByRole('menuitem', { name: 'Log out' }).click();
    await person.sees('Log in to Patchbay');
    await person.opens('/releases');
    await person.logsIn(visitor.email, visitor.password);
    const upload = person.page.getByRole('button', { name: 'Upload' });
    await upload.waitFor();
    expect(await upload.getAttribute('aria-description')).toMatch(/Your role \(read-only\) may not upload/);
    await person.page.getByRole('link', { name: 'Devices', exact: true }).first().click();
    await person.page.getByRole('link', { name: 'bench-1' }).click();
    await person.page.getByRole('tab', { name: 'Terminal' }).click();
    await person.sees('Your role (read-only) may not open a terminal.');
  });

  it('a login that has ended leads to the login page, and back', async () => {
    const token = await person.page.evaluate<string>(`localStorage.getItem('patchbay.token')`);
    await new Operator(server.url, token).request('POST', '/v1/useradm/auth/logout');
    await person.opens('/releases');
    await person.sees('Your login has ended. Log in to go on where you were.');
    await person.logsIn(server.user, server.password);
    await person.page.getByRole('heading', { name: 'Releases' }).waitFor();
  });

  it('nothing broke on the way, and nothing was kept from running by the security policy', () => {
    expect(person.faults).toEqual([]);
  });

  /** On the page of a device: its Deploy button, this release, and on to the page of the deployment. */
  async function deploys(release: string): Promise<void> {
    await person.presses('Deploy');
    const dialog = person.page.getByRole('dialog');
    await dialog.getByLabel('Release').first().click();
    await person.page.getByRole('option', { name: release }).click();
    await person.presses('Deploy', dialog);
    await person.page.getByRole('heading', { name: `${release} to 1 device` }).waitFor();
  }

  async function greeting(name: string, text: string): Promise<string> {
    const target = join(folder, 'installed');
    await mkdir(target, { recursive: true });
    return await artifact(name, 'single-file', {
      dest_dir: `${target}\n`,
      filename: 'greeting\n',
      permissions: '644\n',
      file: text,
    });
  }

  const failing = (name: string) =>
    artifact(name, 'script', { 'run.sh': '#!/bin/sh\necho "the cable is cut" >&2\nexit 1\n' });

  async function artifact(name: string, type: string, files: Readonly<Record<string, string>>): Promise<string> {
    const file = join(folder, `${name}.mender`);
    const sources = Object.entries(files).map(([file, content]) => bytesSource(file, content));
    const payload = { type, provides: {}, depends: {}, files: sources };
    await writeArtifact({ name, depends: { device_type: ['bench'] }, payload }, file);
    return file;
  }
});
