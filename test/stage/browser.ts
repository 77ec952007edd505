// A person at the web pages: Debian's Chromium, driven by playwright-core.
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { chromium, type Browser, type Page } from 'playwright-core';
import { PeerMissing } from '../peers.ts';
import type { Server } from './server.ts';

const names = ['chromium', 'chromium-browser', 'google-chrome'];

/** The browser, or undefined where there is none; in CI that is a failure. */
export function browserPath(): string | undefined {
  const folders = (process.env['PATH'] ?? '').split(':');
  const path = names.flatMap((name) => folders.map((folder) => join(folder, name))).find((file) => existsSync(file));
  if (!path && process.env['CI'] === 'true') throw new PeerMissing('chromium', 'apt-get install chromium');
  return path;
}

export async function startBrowser(): Promise<Browser> {
  const executablePath = browserPath();
  if (!executablePath) throw new PeerMissing('chromium', 'apt-get install chromium');
  const quiet = ['--disable-background-networking', '--disable-component-update', '--disable-sync', '--no-first-run'];
  // Root may not use Chromium's own sandbox, and the pages are ours.
  return await chromium.launch({ executablePath, args: ['--no-sandbox', '--disable-gpu', '--disable-quic', ...quiet] });
}

/** A page that is logged in; what goes wrong in it is thrown at the end of the test that asks `faults`. */
export async function logIn(browser: Browser, server: Server): Promise<Page & { faults: string[] }> {
  const page = await browser.newPage({ viewport: { width: 1200, height: 800 } });
  const faults: string[] = [];
  page.on('pageerror', (error) => faults.push(error.message));
  await page.goto(server.url);
  await page.getByLabel('Email').fill(server.user);
  await page.locator('input[name=password]').fill(server.password);
  await page.getByRole('button', { name: 'Log in' }).click();
  await page.waitForURL('**/devices*');
  return Object.assign(page, { faults });
}
