import { secondsToWait } from '#base/retry-after';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { pause } from '#base/backoff';
import { codeOf, messageOf } from '#base/errors';
import type { Log } from '#base/log';
import type { Device } from '#addon/device';
import type { ReportedCheck } from '../check.ts';
import { writeDurably } from '#base/durable';
import type { MonitorConfig } from './monitor.ts';

export interface AssignedOptions {
  readonly device: Pick<Device, 'ask'>;
  readonly config: MonitorConfig;
  readonly log: Log;
  /** Seconds: the first wait after a failure, and the longest. */
  readonly waits: () => { readonly first: number; readonly longest: number };
  /** Seconds between two reports of the same. */
  readonly interval: () => number;
  /** Several changes in a row are one report, ms. */
  readonly settling: number;
  readonly report: () => readonly ReportedCheck[];
  /** The server wants other checks than before. */
  readonly changed: () => void;
}

export const checksPath = '/api/devices/v1/devicemonitor/checks';
export const configPath = '/api/devices/v1/devicemonitor/config';
const file = 'checks.json';
const patience = 30_000;
const bodyLimit = 1024 * 1024;
const countLimit = 500;

/** Checks of the server, not looked at yet. */
export interface Given {
  readonly version: string;
  readonly checks: readonly unknown[];
}

interface Kept extends Given {
  readonly etag?: string;
}

/** What the server wants to be watched, and what it is told of what is. Kept on the disk: a device may start without its server. */
export class Assigned {
  readonly #options: AssignedOptions;
  #kept: Kept | undefined;
  #wake = new AbortController();
  #news = true;

  constructor(options: AssignedOptions) {
    this.#options = options;
    this.#kept = this.#load();
  }

  /** What it asks for, as it came. */
  get given(): Given {
    return this.#kept ?? { version: '', checks: [] };
  }

  /** What is watched has changed: the server is to know. */
  announce(): void {
    this.#news = true;
    this.#wake.abort();
  }

  /** There is a link again: both is tried now. */
  hurry(): void {
    this.#wake.abort();
  }

  async run(signal: AbortSignal): Promise<void> {
    const { waits, interval, settling } = this.#options;
    let failures = 0;
    let due = 0;
    while (!signal.aborted) {
      await pause(settling, signal);
      if (signal.aborted) return;
      this.#wake = new AbortController();
      const fetched = await this.#fetch(signal);
      const told = this.#news || performance.now() >= due ? await this.#tell(signal) : undefined;
      if (told === true) due = performance.now() + interval() * 1000;
      if (signal.aborted) return;
      const failed = [fetched, told].filter((outcome) => typeof outcome === 'number');
      const { first, longest } = waits();
      const wait =
        failed.length > 0
          ? Math.max(...failed, Math.min(longest, first * 2 ** failures) * (0.75 + Math.random() / 2))
          : interval() * (0.9 + Math.random() / 10);
      failures = failed.length > 0 ? failures + 1 : 0;
      await pause(wait * 1000, AbortSignal.any([signal, this.#wake.signal]));
    }
  }

  /** True: it is known what the server wants; a number: it is not, seconds to wait at least. */
  async #fetch(signal: AbortSignal): Promise<true | number> {
    const { device, config, log, changed } = this.#options;
    if (!config.ServerChecks) return true;
    try {
      const { etag } = this.#kept ?? {};
      const answer = await device.ask(checksPath, {
        headers: { Accept: 'application/json', ...(etag === undefined ? {} : { 'If-None-Match': etag }) },
        signal: AbortSignal.any([signal, AbortSignal.timeout(patience)]),
      });
      // A server that has no such thing, as Mender's own.
      if (answer.status === 304 || answer.status === 404) return true;
      if (!answer.ok) return secondsToWait(answer.headers['retry-after']) ?? 0;
      const kept = take(answer.text, answer.headers['etag']);
      const before = this.#kept;
      this.#kept = kept;
      if (JSON.stringify(before) === JSON.stringify(kept)) return true;
      log.info('checks of the server', { version: kept.version, count: kept.checks.length });
      // A device for which there never was a check keeps no file of that.
      if (before || kept.checks.length > 0) this.#save(kept);
      // They are said to have come even where the same as before are made of them.
      this.#news = true;
      changed();
      return true;
    } catch (error) {
      if (!signal.aborted) log.debug('checks of the server not fetched', { error: messageOf(error) });
      return 0;
    }
  }

  async #tell(signal: AbortSignal): Promise<true | number> {
    const { device, log, report } = this.#options;
    this.#news = false;
    try {
      const answer = await device.ask(configPath, {
        method: 'POST',
        headers: { 'Content-Type': 'application/json' },
        body: JSON.stringify(report()),
        signal: AbortSignal.any([signal, AbortSignal.timeout(patience)]),
      });
      if (answer.ok || answer.status === 404) return true;
      if (answer.status === 400) {
        log.error('the server does not take the list of checks', { answer: answer.text.slice(0, 500) });
        return true;
      }
      this.#news = true;
      return secondsToWait(answer.headers['retry-after']) ?? 0;
    } catch (error) {
      this.#news = true;
      if (!signal.aborted) log.debug('list of checks not sent', { error: messageOf(error) });
      return 0;
    }
  }

  #save(kept: Kept): void {
    const path = join(this.#options.config.StateFolder, file);
    try {
      writeDurably(path, JSON.stringify(kept), 0o600, 0o700);
    } catch (error) {
      this.#options.log.error('checks of the server not kept', { file: path, error: messageOf(error) });
    }
  }

  #load(): Kept | undefined {
    const { config, log } = this.#options;
    if (!config.ServerChecks) return undefined;
    const path = join(config.StateFolder, file);
    try {
      const kept = JSON.parse(readFileSync(path, 'utf8')) as Kept;
      return take(JSON.stringify(kept), kept.etag);
    } catch (error) {
      if (codeOf(error) !== 'ENOENT')
        log.error('kept checks of the server cannot be read', { file: path, error: messageOf(error) });
      return undefined;
    }
  }
}

/** The outer shape; each check is looked at alone, so that one that this device does not know costs only itself. */
function take(text: string, etag: string | undefined): Kept {
  if (text.length > bodyLimit) throw new Error(`the list of checks is longer than ${bodyLimit} bytes`);
  const value = JSON.parse(text) as { version?: unknown; checks?: unknown } | null;
  if (typeof value?.version !== 'string' || value.version.length > 128 || !Array.isArray(value.checks))
    throw new Error('the list of checks has the wrong shape');
  const checks = (value.checks as unknown[]).slice(0, countLimit);
  return { version: value.version, ...(etag === undefined ? {} : { etag }), checks };
}
