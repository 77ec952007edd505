import { join } from 'node:path';
import { messageOf } from '#base/errors';
import type { Log } from '#base/log';
import type { Alert } from '../alert.ts';
import { writeDurably } from '#base/durable';
import { LineFile } from './line-file.ts';
import { putAside, readOrPutAside } from './put-aside.ts';

export interface LedgerOptions {
  readonly folder: string;
  readonly log: Log;
  /** What may wait: alerts, bytes, seconds. The oldest go first. */
  readonly limits: () => { readonly count: number; readonly bytes: number; readonly age: number };
  /** Wall clock and a clock that never jumps, ms. */
  readonly now?: () => number;
  readonly ticks?: () => number;
}

/** What is kept of a check; the ledger does not look into it. */
export type State = Readonly<Record<string, unknown>>;

interface Entry {
  readonly seq: number;
  readonly bytes: number;
  /** On the clock that never jumps, when it was made; before this start: reckoned. */
  readonly made: number;
  /** Where it is in the file; without it the disk had no room, and it is in `text`. */
  at?: number;
  text?: string;
}

/** Alerts as they wait are lines of this file, each with the state that its check has after it: both or neither are kept. */
const alertsFile = 'alerts.jsonl';
const statesFile = 'state.json';
/** A clock that says less was never set: 2024. */
export const plausible = 1_704_067_200_000;
/** Alerts that the disk had no room for: so many are kept in memory. */
const inMemory = 200;
/** What was sent already is left in the file until it is this large. */
const tidyAt = 256 * 1024;

/**
 * Alerts that have not arrived yet, in the order in which they were made, and the states of all checks. Outlives kill and
 * power cut: an alert is on the disk before it is sent. A disk that is full or a file that is broken costs a line in the
 * log and as little else as can be.
 */
export class Ledger implements Disposable {
  readonly #options: LedgerOptions;
  readonly #now: () => number;
  readonly #ticks: () => number;
  readonly states = new Map<string, State>();
  /** The states could not be read: what was bad may be well by now, and nobody was told. */
  amnesia = false;
  readonly #file: LineFile;
  #waiting: Entry[] = [];
  #bytes = 0;
  #seq = 0;
  #sent = 0;
  #changed = false;
  #troubled = false;
  #dropped = 0;

  constructor(options: LedgerOptions) {
    this.#options = options;
    this.#now = options.now ?? Date.now;
    this.#ticks = options.ticks ?? (() => performance.now());
    this.#file = new LineFile(options.folder, alertsFile, {
      trouble: (error) => this.#trouble(error),
      well: () => this.#amends(),
    });
    this.#load();
  }

  get size(): number {
    return this.#waiting.length;
  }

  /** Notes what a check has come to, with no alert; `save` brings it to the disk. */
  note(key: string, state: State): void {
    this.states.set(key, state);
    this.#changed = true;
  }

  forget(key: string): void {
    if (this.states.delete(key)) this.#changed = true;
  }

  /** Takes an alert, and the state that its check has from now on. */
  add(alert: Alert, key: string, state: State): void {
    this.states.set(key, state);
    const seq = (this.#seq += 1);
    const text = `${JSON.stringify({ seq, at: this.#now(), key, alert, state })}\n`;
    const entry: Entry = { seq, bytes: Buffer.byteLength(text), made: this.#ticks() };
    this.#waiting.push(entry);
    this.#bytes += entry.bytes;
    entry.text = text;
    this.#unload();
    this.#limit();
  }

  /** The oldest that wait, whole and in order. Those on the disk are surely there when they are given out. */
  batch(most: number, bytes: number): { alerts: Alert[]; last: number } {
    this.#limit();
    this.flush();
    const alerts: Alert[] = [];
    let last = this.#sent;
    let size = 0;
    for (const entry of this.#waiting) {
      if (alerts.length >= most || (alerts.length > 0 && size + entry.bytes > bytes)) break;
      size += entry.bytes;
      last = entry.seq;
      try {
        alerts.push((JSON.parse(entry.text ?? this.#read(entry)) as { alert: Alert }).alert);
      } catch (error) {
        this.#options.log.error('stored alert is broken, it is left out', { seq: entry.seq, error: messageOf(error) });
      }
    }
    return { alerts, last };
  }

  /** Those up to this one have arrived, or are not wanted. */
  done(last: number): void {
    this.#sent = Math.max(this.#sent, last);
    this.#waiting = this.#waiting.filter((entry) => {
      if (entry.seq > last) return true;
      this.#bytes -= entry.bytes;
      return false;
    });
    if (this.#waiting.length === 0 && this.#file.size > tidyAt) return this.#tidy();
    this.#file.append(`${JSON.stringify({ sent: this.#sent })}\n`);
  }

  /** What was written is on the disk after this. */
  flush(): void {
    this.#file.flush();
  }

  /** Brings the states to the disk if they have changed. */
  save(): void {
    this.#unload();
    this.flush();
    if (this.#changed) this.#saveStates();
  }

  [Symbol.dispose](): void {
    this.save();
    this.#file[Symbol.dispose]();
  }

  #saveStates(): void {
    const { folder } = this.#options;
    try {
      writeDurably(
        join(folder, statesFile),
        JSON.stringify({ seq: this.#seq, checks: Object.fromEntries(this.states) }),
        0o600,
        0o700,
      );
      this.#changed = false;
      this.#amends();
    } catch (error) {
      this.#trouble(error);
    }
  }

  /** Writes what is only in memory; in order, so that a restart finds it in order. */
  #unload(): void {
    for (const entry of this.#waiting) {
      if (entry.text === undefined) continue;
      const at = this.#file.append(entry.text);
      if (at === undefined) return;
      entry.at = at;
      delete entry.text;
    }
  }

  #read({ at, bytes }: Entry): string {
    if (at === undefined) throw new Error('it is not in the file');
    return this.#file.read(at, bytes);
  }

  #limit(): void {
    const { count, bytes, age } = this.#options.limits();
    const oldest = this.#ticks() - age * 1000;
    const over = (): boolean => {
      const [first] = this.#waiting;
      return first !== undefined && (this.#waiting.length > count || this.#bytes > bytes || first.made < oldest);
    };
    let lost = 0;
    // Of those for which the disk has no room only the newest are kept.
    let homeless = this.#waiting.reduce((sum, { text }) => sum + (text === undefined ? 0 : 1), 0);
    while (over() || homeless > inMemory) {
      const index = homeless > inMemory ? this.#waiting.findIndex(({ text }) => text !== undefined) : 0;
      const [entry] = this.#waiting.splice(index, 1);
      if (!entry) break;
      if (entry.text !== undefined) homeless -= 1;
      this.#bytes -= entry.bytes;
      if (index === 0) this.#sent = Math.max(this.#sent, entry.seq);
      lost += 1;
    }
    if (lost === 0) return;
    this.#dropped += lost;
    this.#options.log.warn('alerts dropped, the oldest first: the store is at its limit', {
      now: lost,
      ever: this.#dropped,
      limits: { count, bytes, seconds: age },
    });
    // The file is not to outgrow what it holds.
    if (this.#file.size > 2 * bytes + tidyAt) this.#tidy();
  }

  /** Writes the file anew with what waits, after the states, which it alone may have had until now. */
  #tidy(): void {
    this.#changed = true;
    this.#saveStates();
    if (this.#changed) return;
    try {
      const head = `${JSON.stringify({ sent: this.#sent })}\n`;
      const texts = this.#waiting.map((entry) => entry.text ?? this.#read(entry));
      this.#file.rewrite(head + texts.join(''));
      let at = Buffer.byteLength(head);
      for (const entry of this.#waiting) {
        entry.at = at;
        delete entry.text;
        at += entry.bytes;
      }
    } catch (error) {
      this.#trouble(error);
    }
  }

  #load(): void {
    const { folder, log } = this.#options;
    let known = 0;
    const states = readOrPutAside(join(folder, statesFile), log);
    if (states !== undefined) {
      try {
        const { seq, checks } = JSON.parse(states) as { seq: number; checks: Record<string, State> };
        if (!Number.isSafeInteger(seq) || typeof checks !== 'object' || checks === null)
          throw new Error('its shape is wrong');
        this.#seq = known = seq;
        for (const [key, state] of Object.entries(checks))
          if (typeof state === 'object' && state !== null) this.states.set(key, state);
      } catch (error) {
        this.amnesia = true;
        putAside(join(folder, statesFile), error, log);
      }
    }
    const text = readOrPutAside(join(folder, alertsFile), log);
    if (text === undefined) return;
    let broken = 0;
    let at = 0;
    const wall = this.#now();
    for (const line of text.split('\n')) {
      const bytes = Buffer.byteLength(line) + 1;
      if (line !== '' && !this.#recall(line, at, bytes, known, wall)) broken += 1;
      at += bytes;
    }
    if (broken > 0)
      log.error('lines of the stored alerts are broken, they are left out', { file: join(folder, alertsFile), broken });
    this.#waiting = this.#waiting.filter(({ seq }) => seq > this.#sent).sort((one, other) => one.seq - other.seq);
    this.#bytes = this.#waiting.reduce((sum, entry) => sum + entry.bytes, 0);
    this.#seq = Math.max(this.#seq, this.#sent);
    try {
      this.#file.resume(Buffer.byteLength(text));
      if (broken > 0 || !text.endsWith('\n')) this.#tidy();
      log.info('stored alerts found', { waiting: this.#waiting.length });
    } catch (error) {
      this.#trouble(error);
    }
  }

  #recall(line: string, at: number, bytes: number, known: number, wall: number): boolean {
    try {
      const { seq, at: when, key, alert, state, sent } = JSON.parse(line) as Record<string, unknown>;
      if (typeof sent === 'number') {
        this.#sent = Math.max(this.#sent, sent);
        return true;
      }
      if (typeof seq !== 'number' || typeof key !== 'string' || typeof alert !== 'object' || !alert) return false;
      if (seq > known && typeof state === 'object' && state) {
        this.states.set(key, state as State);
        this.#changed = true;
      }
      this.#seq = Math.max(this.#seq, seq);
      // A device without a clock of its own begins in 1970: such a difference says nothing of its age.
      const past = typeof when === 'number' && when > plausible && wall > when ? wall - when : 0;
      this.#waiting.push({ seq, bytes, made: this.#ticks() - past, at });
      return true;
    } catch {
      return false;
    }
  }

  #trouble(error: unknown): void {
    if (this.#troubled) return;
    this.#troubled = true;
    this.#options.log.error('alerts and states cannot be written, they are kept in memory', {
      folder: this.#options.folder,
      error: messageOf(error),
    });
  }

  #amends(): void {
    if (!this.#troubled) return;
    this.#troubled = false;
    this.#options.log.info('alerts and states can be written again', { folder: this.#options.folder });
  }
}
