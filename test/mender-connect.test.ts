// Mender's own Connect daemon, 2.1 as Debian ships it, through our server; and each side's Connect daemon with the other
// side's update client on the D-Bus.
import { mkdir, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Browser, Locator } from 'playwright-core';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import type { Device } from '#proto/http/devices';
import { itWhere } from '#base/where.testing';
import { describePeers } from './peers.ts';
import { browserPath, logIn, startBrowser } from './stage/browser.ts';
import { startBus } from './stage/bus.ts';
import { layDevice, startMender, startMenderConnect } from './stage/mender.ts';
import { Operator } from './stage/operator.ts';
import { startClient, startConnect } from './stage/patchbay.ts';
import { eventually, type Program } from './stage/program.ts';
import { Screen } from './stage/screen.ts';
import { launcher, startServer, type Server } from './stage/server.ts';
import { Shell } from './stage/shell.ts';

const noBrowser = browserPath() ? undefined : 'chromium is not here: apt-get install chromium';

/** Which update client meets which Connect daemon on one bus; a person must not notice a difference. */
const pairs = [
  { title: 'mender with mender-connect', mac: '02:00:00:00:21:01', client: 'theirs', connect: 'theirs' },
  { title: 'our client with mender-connect', mac: '02:00:00:00:21:02', client: 'ours', connect: 'theirs' },
  { title: 'B-13 mender with our connect', mac: '02:00:00:00:21:03', client: 'theirs', connect: 'ours' },
] as const;
type Pair = (typeof pairs)[number];

await describePeers('mender-connect 2.1', ['mender-client', 'mender-connect'], () => {
  let folder: string;
  let server: Server;
  let operator: Operator;
  let browser: Browser | undefined;
  const programs: Program[] = [];
  const devices = new Map<Pair, Device>();
  const connects = new Map<Pair, Program>();
  const deviceOf = (pair: Pair) => devices.get(pair)!;

  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'patchbay-mender-connect-'));
    server = await startServer(folder);
    operator = await Operator.login(server.url, server.user, server.password);
    if (noBrowser === undefined) browser = await startBrowser();
    await Promise.all(pairs.map(bringUp));
  });

  afterAll(async () => {
    await browser?.close();
    for (const program of programs.toReversed()) await program.stop();
    await server?.stop();
    await rm(folder, { recursive: true, force: true });
  });

  const sessionsWith = async (pair: Pair) =>
    (await operator.sessions()).filter(({ device_id }) => device_id === deviceOf(pair).id);

  async function bringUp(pair: Pair): Promise<void> {
    const own = join(folder, pair.mac.replaceAll(':', ''));
    await mkdir(own);
    const bus = await startBus(own);
    programs.push(bus);
    await layDevice({ folder: own, mac: pair.mac, type: 'bench', serverUrl: server.url });
    programs.push(pair.client === 'ours' ? startClient(own, bus.address) : await startMender(own, bus.address));
    const device = await operator.welcome(pair.mac);
    devices.set(pair, device);
    const start = pair.connect === 'ours' ? startConnect : startMenderConnect;
    const connect = await start(own, bus.address);
    programs.push(connect);
    connects.set(pair, connect);
    await operator.connected(device.id);
  }

  /** Pages one after the other: side by side they would only make each other late. */
  let last: Promise<unknown> = Promise.resolve();
  const inBrowser = (work: () => Promise<void>): Promise<void> => {
    const mine = last.then(work, work);
    last = mine;
    return mine;
  };

  /**
   * Opens a shell by `open` until it has shown a prompt. About one in thirty shells of mender-connect 2.1 reads what is
   * typed and never says a word (its reader looks at a flag before it is set, `connect-protocol.md` §3.3); the next one
   * does. Ours get one try.
   */
  async function speaking<T extends Disposable & { shows(prompt: RegExp, timeout: number): Promise<unknown> }>(
    pair: Pair,
    open: () => Promise<T>,
    leave: (silent: T) => Promise<unknown>,
  ): Promise<T> {
    for (let tries = pair.connect === 'theirs' ? 4 : 1; ; tries -= 1) {
      const shell = await open();
      try {
        await shell.shows(/[#$] /, pair.connect === 'theirs' ? 8000 : 30_000);
        return shell;
      } catch (error) {
        if (tries === 1) throw error;
        await leave(shell);
        shell[Symbol.dispose]();
      }
    }
  }

  const openShell = async (pair: Pair) =>
    await speaking(
      pair,
      async () => await Shell.open(operator, deviceOf(pair).id, { terminal_width: 90, terminal_height: 25 }),
      async (silent) => await silent.stop(),
    );

  // Most of the time goes by in Mender's daemon, which waits for something: the pairs wait side by side.
  describe.concurrent.each(pairs)('$title', { timeout: 180_000 }, (pair) => {
    const inTurn = { concurrent: false };

    afterEach(async () => {
      const none = async () => (await sessionsWith(pair)).length === 0;
      await eventually('no session is left on the server', none, 90_000);
    });

    it('gives a shell of the size that was asked for, which follows a resize and ends', inTurn, async () => {
      using shell = await openShell(pair);
      const reply = await shell.message('the answer to new', ({ hdr }) => hdr.typ === 'new');
      expect(Number(reply.hdr.props?.['status'])).toBe(1);
      shell.type('stty size; echo "and $((6 * 7))"\n');
      await shell.shows(/25 90\s+and 42/);
      shell.send('resize', { terminal_width: 120, terminal_height: 33 });
      shell.type('until stty size | grep -q "33 120"; do sleep 0.1; done; echo "now $((7 * 6))"\n');
      await shell.shows(/now 42/);
      expect(await sessionsWith(pair)).toHaveLength(1);
      await shell.stop();
    });

    it('lets the next one in when a person has just gone away without a word', inTurn, async () => {
      const gone = await Shell.open(operator, deviceOf(pair).id);
      await gone.message('the answer to new', ({ hdr }) => hdr.typ === 'new');
      gone[Symbol.dispose]();
      await eventually('a shell again', async () => {
        using shell = await Shell.open(operator, deviceOf(pair).id);
        const reply = await shell.message('the answer to new', ({ hdr }) => hdr.typ === 'new');
        await shell.stop();
        return Number(reply.hdr.props?.['status']) === 1;
      });
    });

    it('gives a shell to our command line, which follows a resize and ends with it', inTurn, async () => {
      const env = { ...process.env, PATCHBAY_SERVER: server.url, PATCHBAY_TOKEN: operator.token };
      const args = [launcher, 'terminal', deviceOf(pair).id];
      using screen = await speaking(
        pair,
        async () => {
          const opened = new Screen(process.execPath, args, env, { cols: 90, rows: 25 });
          await opened.shows(/Ctrl-\] leaves\.\s/);
          return opened;
        },
        async (silent) => {
          silent.type('\u001d');
          await silent.exited;
        },
      );
      screen.type('stty size; echo "and $((6 * 7))"\r');
      await screen.shows(/25 90\s+and 42/);
      screen.resize(120, 33);
      screen.type('until stty size | grep -q "33 120"; do sleep 0.1; done; echo "now $((7 * 6))"\r');
      await screen.shows(/now 42/);
      screen.type('exit\r');
      expect(await screen.exited).toBe(0);
    });

    itWhere('gives a shell to the web page in Chromium, which follows the window', noBrowser, () =>
      inBrowser(async () => {
        const page = await logIn(browser!, server);
        try {
          const screen = page.locator('.xterm-rows');
          const type = async (line: string) => {
            await page.locator('.xterm').click();
            await page.keyboard.type(line);
            await page.keyboard.press('Enter');
          };
          await speaking(
            pair,
            async () => {
              await page.goto(`${server.url}/devices/${deviceOf(pair).id}?tab=terminal`);
              const shows = (hasText: RegExp, timeout: number) => screen.filter({ hasText }).waitFor({ timeout });
              return { shows, [Symbol.dispose]() {} };
            },
            async () => await page.goto('about:blank'),
          );
          await type('echo "width $(stty size | cut -d" " -f2) end"');
          const wide = await shownNumber(screen, /width (\d+) end/);
          await page.setViewportSize({ width: 800, height: 600 });
          await type(
            `until [ "$(stty size | cut -d" " -f2)" -lt ${wide} ]; do sleep 0.1; done; echo "so $((6 * 7)) end"`,
          );
          expect(await shownNumber(screen, /so (\d+) end/)).toBe(42);
          expect(page.faults).toEqual([]);
          // Else our connect keeps the shell for a while, since a page that goes may come back. Theirs counts a shell that
          // ended by itself among those of its user for ever.
          if (pair.connect === 'ours') {
            await type('exit');
            await page.getByText('The shell has ended').waitFor();
          }
        } finally {
          await page.close();
        }
      }),
    );
  });

  it('B-13 our connect goes through the local proxy of mender 3.4', async () => {
    const pair = pairs.find(({ client, connect }) => client === 'theirs' && connect === 'ours')!;
    const [, proxy] = await connects.get(pair)!.said(/"server":"(http:[^"]+)".*"msg":"authorization changed"/);
    expect(new URL(proxy!).hostname).toMatch(/^(localhost|127\.0\.0\.1)$/);
    expect(new URL(proxy!).port).not.toBe(new URL(server.url).port);
    await operator.connected(deviceOf(pair).id);
  });

  it('each of them comes back by itself when the server was away', async () => {
    await server.restart();
    await Promise.all(
      pairs.map(async (pair) => {
        await operator.connected(deviceOf(pair).id, 90_000);
        using shell = await openShell(pair);
        shell.type('echo "still $((40 + 2))"\n');
        await shell.shows(/still 42/);
        await shell.stop();
      }),
    );
  }, 180_000);
});

/** The number in what a shell wrote, once it is on the screen. */
async function shownNumber(screen: Locator, pattern: RegExp): Promise<number> {
  await screen.filter({ hasText: pattern }).waitFor();
  return Number(pattern.exec((await screen.textContent()) ?? '')?.[1]);
}
