import { execFile } from 'node:child_process';
import { once } from 'node:events';
import { createServer, type IncomingMessage, type Server } from 'node:http';
import { type AddressInfo } from 'node:net';
import { cp, mkdir, mkdtemp, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { text } from 'node:stream/consumers';
import { promisify } from 'node:util';
import type { Log } from '#base/log';
import type { Device } from '#addon/device';
import { parser } from '#proto/validate';
import { Alerts, type Alert } from '../alert.ts';
import manifest from '../manifest.ts';
import { Monitor, type MonitorConfig, type MonitorOptions } from './monitor.ts';

const execute = promisify(execFile);

export interface Answer {
  readonly status: number;
  readonly body?: unknown;
  readonly headers?: Readonly<Record<string, string>>;
}

/** The paths of the server that Monitor calls, on a real socket. */
export class MonitorServer implements AsyncDisposable {
  readonly #server: Server;
  readonly alerts: Alert[] = [];
  readonly batches: Alert[][] = [];
  readonly configs: Record<string, unknown>[][] = [];
  readonly asked: (string | undefined)[] = [];
  /** What is answered in place of a good answer, by path. */
  answer: (path: string) => Answer | undefined = () => undefined;
  checks: { version: string; checks: unknown[] } | undefined;
  #heard = new Set<() => void>();

  private constructor(server: Server) {
    this.#server = server;
  }

  static async start(port = 0): Promise<MonitorServer> {
    const server = createServer((request, response) => {
      void own.#serve(request).then(({ status, body, headers }) => {
        response.writeHead(status, headers).end(body === undefined ? undefined : JSON.stringify(body));
        for (const heard of own.#heard) heard();
      });
    });
    const own = new MonitorServer(server);
    server.listen(port, '127.0.0.1');
    await once(server, 'listening');
    return own;
  }

  get url(): string {
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}`;
  }

  /** Until the server has heard what is wanted. */
  async until(what: string, wanted: () => boolean, timeout = 20_000): Promise<void> {
    const end = Date.now() + timeout;
    while (!wanted()) {
      if (Date.now() > end) throw new Error(`not within ${timeout} ms: ${what}; alerts: ${JSON.stringify(this.said)}`);
      const { promise, resolve } = Promise.withResolvers<void>();
      this.#heard.add(resolve);
      await Promise.race([promise, sleep(100)]);
      this.#heard.delete(resolve);
    }
  }

  async count(count: number): Promise<Alert[]> {
    await this.until(`${count} alerts`, () => this.alerts.length >= count);
    return this.alerts;
  }

  get said(): string[] {
    return this.alerts.map(({ level, name }) => `${level} ${name}`);
  }

  async #serve(request: IncomingMessage): Promise<Answer> {
    const path = request.url ?? '';
    const body = await text(request);
    const other = this.answer(path);
    if (path.endsWith('/checks')) this.asked.push(request.headers['if-none-match']);
    if (other) return other;
    if (path === '/api/devices/v1/devicemonitor/alert') {
      const alerts = parser(Alerts)(JSON.parse(body));
      this.batches.push(alerts);
      this.alerts.push(...alerts);
      return { status: 204 };
    }
    if (path === '/api/devices/v1/devicemonitor/config') {
      this.configs.push(JSON.parse(body) as Record<string, unknown>[]);
      return { status: 204 };
    }
    if (path !== '/api/devices/v1/devicemonitor/checks' || !this.checks) return { status: 404 };
    const etag = `"${this.checks.version}"`;
    if (request.headers['if-none-match'] === etag) return { status: 304 };
    return { status: 200, body: this.checks, headers: { etag, 'content-type': 'application/json' } };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#server.closeAllConnections();
    this.#server.close();
    await once(this.#server, 'close');
  }
}

/** Lines of a log, for tests that look at what was said. */
export function recordingLog(lines: string[]): Log {
  const say =
    (level: string) =>
    (event: string, fields: Readonly<Record<string, unknown>> = {}): void =>
      void lines.push(`${level} ${event} ${JSON.stringify(fields)}`);
  const log: Log = { debug: say('debug'), info: say('info'), warn: say('warn'), error: say('error'), child: () => log };
  return log;
}

/** A device with folders of its own, and Monitor on it. */
export class MonitorStage implements AsyncDisposable {
  readonly folder: string;
  readonly server: MonitorServer;
  readonly lines: string[] = [];
  readonly #links = new Set<(up: boolean) => void>();
  #stop: AbortController | undefined;
  #running: Promise<void> = Promise.resolve();
  monitor: Monitor | undefined;
  online = true;

  private constructor(folder: string, server: MonitorServer) {
    this.folder = folder;
    this.server = server;
  }

  static async start(): Promise<MonitorStage> {
    const stage = new MonitorStage(await mkdtemp(join(tmpdir(), 'patchbay-monitor-')), await MonitorServer.start());
    await mkdir(join(stage.monitorFolder, 'available'), { recursive: true });
    await mkdir(join(stage.monitorFolder, 'enabled'));
    await mkdir(stage.at('scripts'));
    await mkdir(stage.at('logs'));
    await stage.settings('DEFAULT_ALERT_STORE_RESEND_INTERVAL_S=1\nSEND_ALERT_MAX_INTERVAL_S=1\n');
    return stage;
  }

  at(...parts: string[]): string {
    return join(this.folder, ...parts);
  }

  get monitorFolder(): string {
    return this.at('etc', 'monitor.d');
  }

  async settings(text: string): Promise<void> {
    await mkdir(this.at('etc'), { recursive: true });
    await writeFile(this.at('etc', 'config.sh'), text);
  }

  /** Makes a check and enables it, as a person would by hand. */
  async check(key: string, text: string): Promise<void> {
    await writeFile(join(this.monitorFolder, 'available', `${key}.sh`), text);
    await symlink(
      join(this.monitorFolder, 'available', `${key}.sh`),
      join(this.monitorFolder, 'enabled', `${key}.sh`),
    ).catch(() => undefined);
  }

  /** The shell library, as it is shipped. */
  async library(): Promise<void> {
    await cp(join(import.meta.dirname, '..', 'device', 'usr', 'share', 'mender-monitor'), this.at('usr'), {
      recursive: true,
    });
  }

  /** What somebody types who has sourced the library. */
  async byHand(line: string): Promise<void> {
    const env = { PATH: process.env['PATH'], MONITOR_STATE: this.at('var') };
    await execute('/bin/sh', ['-c', `cd ${this.at('usr')} && . lib/monitor-lib.sh && ${line}`], { env });
  }

  async disable(key: string): Promise<void> {
    await rm(join(this.monitorFolder, 'enabled', `${key}.sh`));
  }

  link(up: boolean): void {
    this.online = up;
    for (const listener of this.#links) listener(up);
  }

  run(settings: Readonly<Record<string, unknown>> = {}, more: Partial<MonitorOptions> = {}): Monitor {
    const config = this.config(settings);
    this.#stop = new AbortController();
    const kernel = { proc: '/proc', sys: '/sys', init: this.at('init.d'), run: this.at('run') };
    const monitor = new Monitor({
      device: this.device,
      config,
      stroke: 100,
      kernel,
      busAddress: 'unix:path=/nowhere',
      ...more,
    });
    this.#running = monitor.run(this.#stop.signal);
    this.monitor = monitor;
    return monitor;
  }

  /** What Connect gives to its add-ons. */
  get device(): Device {
    return {
      ask: async (path, question) => {
        if (!this.online) throw new Error('the device is not authorized');
        const response = await fetch(new URL(path, this.server.url), question);
        const { status, ok, headers } = response;
        return { status, ok, headers: Object.fromEntries(headers), text: await response.text() };
      },
      log: recordingLog(this.lines),
      onLink: (listener) => {
        this.#links.add(listener);
        return () => void this.#links.delete(listener);
      },
    };
  }

  config(settings: Readonly<Record<string, unknown>> = {}): MonitorConfig {
    return parser(manifest.config)({
      ConfigFolder: this.at('etc'),
      LibraryFolder: this.at('usr'),
      StateFolder: this.at('var'),
      ScriptFolder: this.at('scripts'),
      ServerLogFolders: [this.at('logs')],
      ...settings,
    });
  }

  async stop(): Promise<void> {
    this.#stop?.abort();
    await this.#running;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.stop();
    await this.server[Symbol.asyncDispose]();
    await rm(this.folder, { recursive: true, force: true });
  }
}
