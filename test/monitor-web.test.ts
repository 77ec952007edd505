// Alerts in a real browser: on the page of a device, on the on-call page of all, in the list of devices. A real server
// and Chromium; the device is a test's, so that it says what is to be seen (add-ons.md §6, "User sees"; MON-25).
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { admin, password, stage, type Stage } from '../server/stage.ts';
import { buildPages, describeBrowser, Person } from './stage/person.ts';

const own = '/api/devices/v1/devicemonitor';
const base = '/api/management/v1/patchbay/monitor';
const hostile = `<img src=x onerror="window.hacked=1"><script>window.hacked=1</script> Grüße \u0000 und 🎛`;

describeBrowser('alerts in the browser', (executable) => {
  let server: Stage;
  let person: Person;
  let token = '';
  let pump: { id: string; token: string };
  let kiosk: { id: string; token: string };

  beforeAll(async () => {
    await buildPages();
    server = await stage();
    token = await server.login();
    pump = await server.addDevice({ mac: 'pump-7' });
    kiosk = await server.addDevice({ mac: 'kiosk-1' });
    await call('PATCH', '/api/management/v1/patchbay/groups/kiosks/devices', [kiosk.id]);
    person = await Person.at(server.url, executable);
  }, 240_000);
  afterAll(async () => {
    await person?.[Symbol.asyncDispose]();
    await server?.close();
  });

  const call = async (method: string, path: string, body?: unknown) => {
    const answer = await server.call(method, path, { token, ...(body === undefined ? {} : { body }) });
    expect([path, answer.status < 300, answer.text.slice(0, 200)]).toEqual([path, true, expect.anything()]);
    return answer.body;
  };
  let clock = Date.now() - 3_600_000;
  const alert = (check: string, name: string, level: string, details: object = {}, status = 'not-running') => ({
    id: `alert-${(clock += 1000)}`,
    check,
    name,
    level,
    timestamp: new Date(clock).toISOString(),
    subject: { name: check.replace(/^[a-z]+_/, ''), type: check.replace(/_.*/, ''), status, details },
  });
  const say = async (device: { token: string }, ...alerts: object[]) => {
    const { status, text } = await server.call('POST', `${own}/alert`, { token: device.token, body: alerts });
    expect([status, text]).toEqual([204, '']);
  };
  const row = (text: string) => person.page.locator('.monitor-addon ul.list > li', { hasText: text });
  /** For whoever wants to look at it: `PATCHBAY_PICTURES=FOLDER`. */
  const picture = async (name: string) => {
    const folder = process.env['PATCHBAY_PICTURES'];
    if (folder) await person.page.screenshot({ path: join(folder, `monitor-${name}.png`), fullPage: true });
  };
  const dialog = () => person.page.getByRole('dialog');

  it('an alert appears on the page of the device without a reload, its log lines as text whatever is in them', async () => {
    await say(pump, alert('service_cron', 'Service cron not running', 'OK', {}, 'running'));
    await person.opens(`/devices/${pump.id}`);
    await person.logsIn(admin, password);
    await person.page.getByRole('tab', { name: 'Monitoring' }).click();
    await person.sees('All well');
    const lines = (from: number, count: number) =>
      Array.from({ length: count }, (_, at) => ({ line_number: from + at, data: `kernel: line ${from + at}` }));
    await say(
      pump,
      alert('disk_root', 'Disk / is 81 % full', 'WARNING', { description: '81 % used, 80 % are allowed' }, 'FULL'),
      alert(
        'log_kernel',
        'Log file contains oops',
        'CRITICAL',
        {
          lines_before: lines(39, 3),
          line_matching: { line_number: 42, data: hostile },
          lines_after: lines(43, 3),
        },
        'LOGCONTAINS',
      ),
    );
    await person.sees('2 checks are not OK');
    expect(await person.page.locator('ul.list').first().locator('> li .level').allInnerTexts()).toEqual([
      'Critical',
      'Warning',
      'OK',
    ]);
    await row('log_kernel').first().locator('button.name').click();
    const match = person.page.locator('.matching').first();
    await match.waitFor();
    expect(await match.innerText()).toMatch(/^42\s+<img src=x onerror="window\.hacked=1"><script>.*Grüße [␀�] und 🎛$/s);
    expect(await person.page.evaluate('window.hacked')).toBeUndefined();
    expect(await person.page.locator('.lines').first().innerText()).toMatch(/41\s+kernel: line 41\s+42.*43\s+kernel/s);
    await picture('tab');
  });

  it('is acknowledged with a note and silenced with a reason there', async () => {
    await row('disk_root').first().getByRole('button', { name: 'Acknowledge' }).click();
    await dialog().getByLabel('Note').fill('cleaning up');
    await picture('acknowledge');
    await dialog().getByRole('button', { name: 'Acknowledge' }).click();
    await person.sees(`acknowledged by ${admin}: cleaning up`);
    await row('log_kernel').first().getByRole('button', { name: 'Silence' }).click();
    await dialog().getByLabel('Reason').fill('known since yesterday');
    // As a form is finished by whoever has no mouse.
    await person.page.keyboard.press('Enter');
    await person.sees('silenced until');
    expect(await call('GET', `${base}/silences`)).toMatchObject([
      { device: pump.id, check: 'log_kernel', reason: 'known since yesterday', active: true },
    ]);
    // What was opened before is open still.
    expect(await person.page.locator('.matching').count()).toBeGreaterThan(0);
  });

  it('the history is gone through by page and by time', async () => {
    const many = Array.from({ length: 30 }, (_, at) =>
      alert('service_ntp', 'Service ntp not running', at % 2 === 0 ? 'CRITICAL' : 'OK'),
    );
    await say(pump, ...many);
    const history = person.page.locator('section', { hasText: 'History' });
    await person.sees('1–20 of 33', history);
    await person.presses('Older', history);
    await person.sees('21–33 of 33', history);
    await history.getByLabel('Alerts of').selectOption('own');
    await history.getByLabel('From').fill('2020-01-01T00:00');
    await history.getByLabel('To').fill('2020-01-02T00:00');
    await person.sees('No alerts came.', history);
    await history.getByLabel('Alerts of').selectOption('168');
    await person.sees('1–20 of 33', history);
  });

  it('checks are given to the device by a form, and what it says of them is shown', async () => {
    await call('PUT', `${base}/checks/fleet`, {
      checks: [
        { type: 'service', name: 'cron' },
        { type: 'disk', name: 'root', percent: 80 },
      ],
    });
    const section = person.page.locator('section', { has: person.page.getByRole('heading', { name: 'Checks' }) });
    await person.presses('Add a check', section);
    await dialog().getByLabel('Type').selectOption('log');
    await dialog().getByLabel('Name', { exact: true }).fill('oom');
    await dialog().getByLabel('pattern').fill('Out of memory');
    await dialog().getByRole('button', { name: 'Add' }).click();
    await person.sees('one of file and journal is wanted', dialog());
    await dialog().getByLabel('journal').fill('*');
    await picture('check-form');
    await dialog().getByRole('button', { name: 'Add' }).click();
    const checkRow = (id: string) => section.locator('tbody tr', { hasText: id });
    await checkRow('log_oom').waitFor();
    await server.call('POST', `${own}/config`, {
      token: pump.token,
      body: [
        { name: 'oom', type: 'log', status: 'enabled', origin: 'server' },
        { name: 'root', type: 'disk', status: 'disabled', origin: 'server', refused: 'not on this device <b>' },
        { name: 'watchdog.sh', type: 'service', status: 'enabled', origin: 'local' },
      ],
    });
    await person.sees('not on this device <b>', section);
    expect(await checkRow('log_oom').innerText()).toMatch(/pattern=Out of memory journal=\*\s+device\s+applied/);
    expect(await checkRow('service_cron').innerText()).toMatch(/fleet\s+not reported yet/);
    expect(await checkRow('service_watchdog').innerText()).toMatch(/the device itself\s+enabled/);
    await checkRow('service_cron').getByRole('button', { name: 'Do not make service_cron on this device' }).click();
    await checkRow('service_cron').waitFor({ state: 'detached' });
    await checkRow('log_oom').getByRole('button', { name: 'Remove log_oom' }).click();
    await checkRow('log_oom').waitFor({ state: 'detached' });
    await picture('checks');
  });

  it('the on-call page shows what is open on all devices, live, and leads to the shell in one click', async () => {
    await person.page.getByRole('link', { name: 'On call' }).click();
    await person.sees('No open alerts');
    await say(kiosk, alert('service_ui', 'Service ui not running', 'CRITICAL'));
    await person.sees('Service ui not running');
    // In the navigation too, wherever one is.
    await person.page.getByTitle('1 waiting for somebody').waitFor();
    expect(await row('service_ui').innerText()).toContain('kiosk-1');
    await picture('on-call');
    await row('service_ui').getByRole('link', { name: 'Shell' }).click();
    await person.page.waitForURL(`**/devices/${kiosk.id}?tab=terminal`);
    await person.sees('kiosk-1 is offline');
    await person.page.goBack();
    await row('service_ui').waitFor();
  });

  it('many are acknowledged at once, and filters find them again', async () => {
    await say(
      kiosk,
      alert('disk_data', 'Disk /data is 99 % full', 'WARNING'),
      alert('network_gw', 'The gateway does not answer', 'UNKNOWN'),
    );
    await person.page.getByLabel('Group').fill('kiosks');
    await person.page.getByLabel('Group').press('Enter');
    await row('disk_data').waitFor();
    await row('disk_data').getByRole('checkbox').check();
    await row('network_gw').getByRole('checkbox').check();
    await picture('chosen');
    const bar = person.page.getByRole('toolbar', { name: 'Chosen alerts' });
    await person.presses('Acknowledge', bar);
    await dialog().getByRole('button', { name: 'Acknowledge' }).click();
    await row('disk_data').waitFor({ state: 'detached' });
    expect(await row('service_ui').count()).toBe(1);
    await person.page.getByLabel('Show').selectOption('acknowledged');
    await row('disk_data').waitFor();
    await person.page.getByLabel('Level').selectOption('WARNING');
    await row('network_gw').waitFor({ state: 'detached' });
    // The address keeps what was looked for.
    await person.page.reload();
    await row('disk_data').waitFor();
    expect(await person.page.locator('.monitor-addon ul.list > li').count()).toBe(1);
    await row('disk_data')
      .getByRole('button', { name: /Take the acknowledgement/ })
      .click();
    await row('disk_data').waitFor({ state: 'detached' });
  });

  it('silences are seen and ended, checks of a group given, routes made and tried', async () => {
    await person.page.getByRole('tab', { name: 'Silences' }).click();
    await person.sees('known since yesterday');
    await person.presses(/^End the silence/);
    await person.sees(`ended by ${admin}`);
    await person.page.getByRole('tab', { name: 'Checks' }).click();
    await person.sees('service_cron');
    await person.page.getByLabel('Checks of').selectOption('kiosks');
    await person.sees('No checks are given here');
    await person.presses('Add a check');
    await dialog().getByLabel('Name', { exact: true }).fill('ui');
    await dialog().getByRole('button', { name: 'Add' }).click();
    await person.sees('service_ui');
    expect(await call('GET', `${base}/checks/groups/kiosks`)).toMatchObject({
      checks: [{ type: 'service', name: 'ui' }],
    });
    await picture('places');
    await person.page.getByRole('tab', { name: 'Notifications' }).click();
    await person.presses('New route');
    await dialog().getByLabel('Name').fill('ops');
    await dialog().getByLabel('To').fill('ops@example.com');
    await dialog().getByRole('checkbox', { name: 'Critical', exact: true }).check();
    await picture('route');
    await dialog().getByRole('button', { name: 'Save' }).click();
    await person.sees('only critical');
    await person.presses('Test ops');
    await person.sees(/--smtp-url and --mail-from/);
    await picture('notifications');
  });

  it('the list of devices says which have issues, and shows those alone', async () => {
    await person.page.getByRole('link', { name: 'Devices', exact: true }).click();
    await person.sees('2 issues');
    await say(
      kiosk,
      ...['service_ui', 'disk_data', 'network_gw'].map((check) => alert(check, `${check} is well`, 'OK')),
    );
    await person.page.getByRole('switch', { name: 'With issues only' }).check();
    await person.page.getByRole('link', { name: 'kiosk-1' }).waitFor({ state: 'detached' });
    await person.page.getByRole('link', { name: 'pump-7' }).waitFor();
    await picture('devices');
  });

  it('it is readable in the dark and on a narrow screen', async () => {
    await person.page.emulateMedia({ colorScheme: 'dark' });
    await person.page.setViewportSize({ width: 420, height: 900 });
    await person.opens('/addons/monitor?state=all');
    await row('disk_root').waitFor();
    await picture('narrow');
    const wide = await person.page.evaluate('document.documentElement.scrollWidth > innerWidth');
    expect(wide).toBe(false);
    await row('disk_root').getByRole('link', { name: 'pump-7' }).click();
    await person.sees('2 checks are not OK');
    await picture('narrow-tab');
  });

  it('whoever may only read sees it all, and is offered nothing that he may not do', async () => {
    const reader = await server.addUser('reader@example.com', ['read-only']);
    await person.page.evaluate(`sessionStorage.setItem('patchbay.token', ${JSON.stringify(reader)})`);
    await person.opens('/addons/monitor?state=all');
    await row('disk_root').waitFor();
    expect(await person.page.getByRole('tab').allInnerTexts()).toEqual(['Alerts', 'Silences']);
    for (const name of ['Acknowledge', 'Silence', 'Take back'])
      expect(await row('disk_root').getByRole('button', { name }).count()).toBe(0);
    expect(await row('disk_root').getByRole('checkbox').count()).toBe(0);
    expect(person.faults).toEqual([]);
  });
});
