import type { Static } from 'typebox';
import { join } from 'node:path';
import { messageOf } from '#base/errors';
import { silentLog, type Log } from '#base/log';
import type { Device } from '#addon/device';
import type manifest from '../manifest.ts';
import { Assigned } from './assigned.ts';
import { Bus } from './bus.ts';
import { customSubsystem } from './custom.ts';
import { readDefinitions, type Definition } from './definitions.ts';
import { FolderWatch } from './folders.ts';
import { definitionsOf, reported } from './given.ts';
import { Ledger } from './ledger.ts';
import { closeStanding, post, Running, type Desk } from './running.ts';
import { Rounds } from './rounds.ts';
import { Sender } from './sender.ts';
import { readSettings, settingsFiles, type MonitorSettings } from './settings.ts';
import { Spool, type Spooled } from './spool.ts';
import { watchedOf } from './watched-of.ts';

export type MonitorConfig = Static<(typeof manifest)['config']>;

export interface MonitorOptions {
  readonly device: Device;
  readonly config: MonitorConfig;
  /** Default: the system bus. */
  readonly busAddress?: string;
  /** Where the kernel, init scripts and pid files are; others in tests. */
  readonly kernel?: { readonly proc: string; readonly sys: string; readonly init: string; readonly run: string };
  /** Of one run of a subsystem of the owner's own, ms. */
  readonly customTimeout?: number;
  readonly now?: () => number;
  readonly ticks?: () => number;
  /** ms between two strokes of the clock that all timers share. */
  readonly stroke?: number;
}

/** Files are often written in several steps: so long after the last one they are read, ms. */
const settling = 200;
/** Several changes in a row are one report to the server, ms. */
const reporting = 1000;
/** What checks have come to without a word is written this often, ms. */
const saving = 60_000;
const mebibyte = 1024 * 1024;

/** All that is watched on this device, from its start until the signal aborts. */
export class Monitor {
  readonly #options: MonitorOptions;
  readonly #log: Log;
  readonly rounds: Rounds;
  #settings: MonitorSettings;
  readonly #ledger: Ledger;
  readonly #sender: Sender;
  readonly #assigned: Assigned;
  readonly #bus: Bus;
  readonly #desk: Desk;
  readonly #running = new Map<string, Running>();
  readonly #ready = Promise.withResolvers<void>();
  #problems: readonly Definition[] = [];
  #local: readonly Definition[] = [];
  #changing: Promise<void> = Promise.resolve();
  #first = true;

  constructor(options: MonitorOptions) {
    const { device, config, now = Date.now, ticks = () => performance.now() } = options;
    this.#options = options;
    this.#log = device.log;
    this.rounds = new Rounds(options.stroke, ticks);
    // They are read again when checks are, and then what is wrong with them is said.
    this.#settings = readSettings(config.LibraryFolder, config.ConfigFolder, silentLog);
    this.#bus = new Bus({
      log: this.#log,
      ...(options.busAddress === undefined ? {} : { address: options.busAddress }),
    });
    this.#ledger = new Ledger({
      folder: config.StateFolder,
      log: this.#log,
      limits: () => ({
        count: this.#settings.storeCount,
        bytes: config.StoreMegabytes * mebibyte,
        age: this.#settings.storeAge,
      }),
      now,
      ticks,
    });
    this.#sender = new Sender({
      device,
      ledger: this.#ledger,
      log: this.#log,
      path: () => this.#settings.alertPath,
      waits: () => ({ first: this.#settings.resendInterval, longest: this.#settings.resendMaxInterval }),
    });
    this.#desk = {
      ledger: this.#ledger,
      rounds: this.rounds,
      log: this.#log,
      settings: () => this.#settings,
      nudge: () => this.#sender.nudge(),
      closing: () => this.#bus.closing(),
      now,
      ticks,
    };
    this.#assigned = new Assigned({
      device,
      config,
      log: this.#log,
      waits: () => ({ first: this.#settings.resendInterval, longest: this.#settings.resendMaxInterval }),
      interval: () => this.#settings.configPushInterval,
      settling: Math.min(reporting, options.stroke ?? reporting),
      report: () =>
        [...[...this.#running.values()].map(({ definition }) => definition), ...this.#problems].map(reported),
      changed: () => void this.apply(),
    });
  }

  /** All checks have begun. */
  get ready(): Promise<void> {
    return this.#ready.promise;
  }

  get running(): readonly Running[] {
    return [...this.#running.values()];
  }

  async run(signal: AbortSignal): Promise<void> {
    const { device, config } = this.#options;
    await using stack = new AsyncDisposableStack();
    stack.use(this.#ledger);
    stack.defer(() => this.rounds[Symbol.dispose]());
    stack.defer(() => this.#bus.end());
    // First of all checks are silenced: what else ends now is none of their business.
    stack.defer(async () => {
      await this.#changing;
      await Promise.all([...this.#running.values()].map((running) => running.stop()));
    });
    const deaf = device.onNews?.(() => this.#assigned.hurry());
    const offline = device.onLink?.((up) => {
      if (!up) return;
      this.#sender.hurry();
      this.#assigned.hurry();
    });
    if (offline) stack.defer(offline);
    if (deaf) stack.defer(deaf);
    const spool = stack.use(new Spool(config.StateFolder, this.#log, (alert) => void this.#spooled(alert)));
    await this.apply();
    spool.start();
    for (const watcher of this.#watchFiles(signal)) stack.use(watcher);
    this.#ready.resolve();
    stack.defer(this.rounds.every(saving, () => this.#ledger.save()));
    await Promise.all([this.#sender.run(signal), this.#assigned.run(signal), this.#stopAll(signal)]);
  }

  /** What is enabled, and what the server wants, as it is now. */
  apply(): Promise<void> {
    this.#changing = this.#changing.then(async () => {
      try {
        await this.#apply();
      } catch (error) {
        this.#log.error('checks not read', { error: messageOf(error) });
      }
    });
    return this.#changing;
  }

  async #apply(): Promise<void> {
    const { config } = this.#options;
    this.#settings = readSettings(config.LibraryFolder, config.ConfigFolder, this.#log);
    this.#local = readDefinitions(this.#settings.monitorFolder);
    const wanted = new Map<string, Definition>();
    const problems: Definition[] = [];
    for (const definition of [...this.#local, ...definitionsOf(this.#assigned.given, config)]) {
      const twin = wanted.get(definition.key);
      if ('problem' in definition.what) problems.push(definition);
      else if (twin)
        problems.push({
          ...definition,
          what: { problem: 'the device has a check of its own with this type and name' },
        });
      else wanted.set(definition.key, definition);
    }
    for (const problem of problems) this.#saySo(problem);
    this.#problems = problems;
    const broken = new Set(problems.map(({ key }) => key));
    for (const [key, running] of this.#running) {
      const next = wanted.get(key);
      if (next && same(next, running.definition)) continue;
      await running.stop();
      this.#running.delete(key);
      // One whose file is broken is still meant to be; what was open of it stays open.
      if (!next && !broken.has(key)) running.close('the check is not made any more');
    }
    for (const [key, definition] of wanted) if (!this.#running.has(key)) this.#begin(definition);
    if (this.#first)
      for (const [key, state] of this.#ledger.states)
        if (!this.#running.has(key) && !broken.has(key)) {
          closeStanding(this.#desk, key, state, 'the check is not made any more');
          this.#ledger.forget(key);
        }
    if (this.#first) this.#log.info('checks started', { count: this.#running.size, refused: problems.length });
    this.#first = false;
    this.#assigned.announce();
  }

  #begin(definition: Definition): void {
    const { config, kernel = { proc: '/proc', sys: '/sys', init: '/etc/init.d', run: '/run' } } = this.#options;
    const { what, key } = definition;
    try {
      const watched =
        'custom' in what
          ? customSubsystem(definition, what.custom, config, this.#options.customTimeout)
          : watchedOf(what, { settings: this.#settings, config, bus: this.#bus, kernel });
      if (!watched) return;
      const running = new Running(definition, watched, this.#desk);
      this.#running.set(key, running);
      running.start();
    } catch (error) {
      const problem = { ...definition, what: { problem: messageOf(error) } };
      this.#problems = [...this.#problems, problem];
      this.#saySo(problem);
    }
  }

  #said = new Map<string, string>();
  /** Once, not at each change of another. */
  #saySo({ key, origin, what }: Definition): void {
    if (!('problem' in what) || this.#said.get(key) === what.problem) return;
    this.#said.set(key, what.problem);
    this.#log.error('check not made', { check: key, origin, why: what.problem });
  }

  /** An alert that a custom subsystem or a person sends by the shell library. */
  async #spooled({ key, subject, word, ...made }: Spooled): Promise<void> {
    if (word.level !== 'OK' && (await this.#bus.closing())) return;
    if (word.level === 'OK') for (const running of this.#running.values()) running.settle(word.name, subject);
    post(this.#desk, key, subject, word, this.#ledger.states.get(key) ?? {}, made);
    this.#log.info('alert', { check: key, level: word.level, name: word.name });
  }

  async #stopAll(signal: AbortSignal): Promise<void> {
    if (!signal.aborted)
      await new Promise<void>((resolve) => signal.addEventListener('abort', () => resolve(), { once: true }));
    await this.#changing;
    await Promise.all([...this.#running.values()].map((running) => running.stop()));
  }

  /** The folders that say what is to be watched; what is changed there counts a moment later. */
  #watchFiles(signal: AbortSignal): FolderWatch[] {
    const { config } = this.#options;
    let timer: NodeJS.Timeout | undefined;
    const changed = (name: string | null): void => {
      if (name !== null && !name.endsWith('.sh')) return;
      clearTimeout(timer);
      timer = setTimeout(() => {
        if (!signal.aborted) void this.apply();
      }, settling);
    };
    const folders = new Set([
      join(this.#settings.monitorFolder, 'enabled'),
      join(this.#settings.monitorFolder, 'available'),
      this.#settings.monitorFolder,
      ...settingsFiles(config.LibraryFolder, config.ConfigFolder).map((file) => join(file, '..')),
    ]);
    return [...folders].map((folder) => new FolderWatch(folder, this.#log, changed));
  }
}

const same = (one: Definition, other: Definition): boolean =>
  JSON.stringify(one, plain) === JSON.stringify(other, plain);
const plain = (_: string, value: unknown): unknown => (value instanceof Map ? [...value] : value);
