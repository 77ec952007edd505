// A person at the web pages, in a real Chromium.
import { execFile } from 'node:child_process';
import { accessSync, constants } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { basename, delimiter, join } from 'node:path';
import { promisify } from 'node:util';
import { chromium, type Browser, type BrowserContext, type Locator, type Page } from 'playwright-core';
import { describeWhere } from '#base/where.testing';

const run = promisify(execFile);
const root = join(import.meta.dirname, '..', '..');
const names = ['chromium', 'chromium-browser', 'google-chrome', 'google-chrome-stable'];

function findChromium(): string | undefined {
  const folders = (process.env['PATH'] ?? '').split(delimiter).filter(Boolean);
  return folders
    .flatMap((folder) => names.map((name) => join(folder, name)))
    .find((file) => {
      try {
        accessSync(file, constants.X_OK);
        return true;
      } catch {
        return false;
      }
    });
}

/** A suite that needs a browser. On a machine without one it is skipped and says so; in CI that is a failure. */
export function describeBrowser(title: string, suite: (executable: string) => void): void {
  const executable = findChromium();
  const why = executable === undefined ? 'chromium is not here: apt-get install chromium' : undefined;
  describeWhere(title, why, () => suite(executable ?? ''));
}

/** The pages as their sources are now; nothing to do after `npm test` has looked after it. */
export async function buildPages(): Promise<void> {
  const build = "await import('./tools/setup.mjs').then(({ buildWeb }) => buildWeb())";
  await run(process.execPath, ['--input-type=module', '-e', build], { cwd: root });
}

/** A browser window, and what went wrong in it that no test asked for. */
export class Person implements AsyncDisposable {
  readonly page: Page;
  readonly faults: string[] = [];
  readonly #browser: Browser;
  readonly #url: string;

  private constructor(browser: Browser, page: Page, url: string) {
    this.#browser = browser;
    this.page = page;
    this.#url = url;
    page.setDefaultTimeout(20_000);
    page.on('pageerror', (error) => this.faults.push(error.message));
    page.on('console', (message) => {
      // A refused request is told on the page; Chromium tells it here too.
      const told = /^Failed to load resource|Error during WebSocket handshake|ERR_CONNECTION_REFUSED/.test(
        message.text(),
      );
      if (message.type() === 'error' && !told) this.faults.push(message.text());
    });
  }

  static async at(url: string, executablePath: string): Promise<Person> {
    const browser = await chromium.launch({
      executablePath,
      args: [
        '--no-sandbox',
        '--disable-gpu',
        '--disable-quic',
        '--no-first-run',
        '--disable-background-networking',
        '--disable-component-update',
        '--disable-sync',
      ],
    });
    const context: BrowserContext = await browser.newContext({ viewport: { width: 1280, height: 800 } });
    return new Person(browser, await context.newPage(), url);
  }

  async opens(path: string): Promise<void> {
    await this.page.goto(`${this.#url}${path}`);
  }

  async logsIn(user: string, password: string): Promise<void> {
    await this.page.getByLabel('Email').fill(user);
    await this.page.getByRole('textbox', { name: 'Password' }).fill(password);
    await this.page.getByRole('button', { name: 'Log in' }).click();
  }

  async presses(name: string | RegExp, within: Page | Locator = this.page): Promise<void> {
    await within.getByRole('button', { name, exact: typeof name === 'string' }).click();
  }

  async sees(text: string | RegExp, within: Page | Locator = this.page, timeout = 20_000): Promise<Locator> {
    const found = within.getByText(text).first();
    await found.waitFor({ timeout });
    return found;
  }

  /** Types a line into the terminal. */
  async types(line: string): Promise<void> {
    await this.page.locator('.xterm-helper-textarea').focus();
    await this.page.keyboard.type(`${line}\n`);
  }

  /** Waits until the terminal shows this; its lines are what is on the screen now. */
  async reads(pattern: RegExp, timeout = 20_000): Promise<void> {
    await this.page
      .locator('.xterm-rows')
      .filter({ hasText: pattern })
      .waitFor({ timeout })
      .catch(async (error: unknown) => {
        const screen = await this.page.locator('.xterm-rows').allInnerTexts();
        throw new Error(`the terminal never showed ${pattern}:\n${screen.join('\n').trim()}`, { cause: error });
      });
  }

  /** A paste as the browser's menu or Ctrl+V makes it. */
  async pastes(text: string): Promise<void> {
    // As text, because this program is compiled without the words of the browser.
    await this.page.evaluate(`{
      const clipboardData = new DataTransfer();
      clipboardData.setData('text/plain', ${JSON.stringify(text)});
      document.querySelector('.xterm-helper-textarea')
        .dispatchEvent(new ClipboardEvent('paste', { clipboardData, bubbles: true, cancelable: true }));
    }`);
  }

  /** A file drawn from the desktop onto a place of the page. */
  async drops(file: string, onto: Locator): Promise<void> {
    const content = (await readFile(file)).toString('base64');
    const dataTransfer = await this.page.evaluateHandle(`{
      const transfer = new DataTransfer();
      const bytes = Uint8Array.from(atob('${content}'), (char) => char.charCodeAt(0));
      transfer.items.add(new File([bytes], ${JSON.stringify(basename(file))}));
      transfer;
    }`);
    await onto.dispatchEvent('drop', { dataTransfer });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#browser.close();
  }
}
