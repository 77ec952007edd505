import { randomUUID } from 'node:crypto';
import { messageOf } from '#base/errors';
import { pause } from '#base/backoff';
import type { Log } from '#base/log';
import type { Alert } from '../alert.ts';
import type { Definition } from './definitions.ts';
import { Judge, type Finding, type Standing, type Word } from './judge.ts';
import type { Ledger, State } from './ledger.ts';
import { cleaned } from './programs.ts';
import type { Rounds } from './rounds.ts';
import type { MonitorSettings } from './settings.ts';
import { unknown, type Watched } from './watched.ts';

/** What all checks share. */
export interface Desk {
  readonly ledger: Ledger;
  readonly rounds: Rounds;
  readonly log: Log;
  readonly settings: () => MonitorSettings;
  /** There is a new alert. */
  readonly nudge: () => void;
  /** The system is going down: what ends now ends as it should. */
  readonly closing: () => Promise<boolean>;
  readonly now: () => number;
  readonly ticks: () => number;
}

/** What the ledger keeps of a check. */
interface Kept {
  readonly standing?: Standing;
  readonly subject?: Watched['subject'];
  readonly memory?: State;
}

/** After a check that is told has failed, ms. */
const againFirst = 1000;
const againLongest = 60_000;

/** One check while it is being made. */
export class Running {
  readonly definition: Definition;
  readonly watched: Watched;
  readonly #desk: Desk;
  readonly #log: Log;
  readonly #stop = new AbortController();
  readonly #judge: Judge;
  #memory: State | undefined;
  #offs: (() => void)[] = [];
  #calm: (() => void) | undefined;
  #looking: Promise<void> | undefined;
  #heard: Promise<void> = Promise.resolve();
  #unknowns = 0;
  #done: Promise<unknown> = Promise.resolve();

  constructor(definition: Definition, watched: Watched, desk: Desk) {
    this.definition = definition;
    this.watched = watched;
    this.#desk = desk;
    this.#log = desk.log.child({ check: definition.key });
    const kept = desk.ledger.states.get(definition.key) as Kept | undefined;
    this.#memory = kept?.memory;
    this.#judge = new Judge({
      title: watched.title,
      ...(watched.flappingTitle === undefined ? {} : { flappingTitle: watched.flappingTitle }),
      flapping: () => ({ interval: desk.settings().flappingInterval, count: desk.settings().flappingCount }),
      ...(kept?.standing ? { standing: kept.standing } : {}),
      amnesia: desk.ledger.amnesia && kept === undefined,
      ticks: desk.ticks,
    });
  }

  get standing(): Standing {
    return this.#judge.standing;
  }

  start(): void {
    const { watched } = this;
    const { rounds, settings } = this.#desk;
    if (watched.look) {
      const every = (watched.every ?? settings().every) * 1000;
      this.#offs.push(
        rounds.every(every, () => void this.look()),
        rounds.in(0, () => void this.look()),
      );
    }
    if (watched.follow) this.#done = this.#follow();
    if (this.#judge.standing.flapping) this.#awaitCalm();
  }

  /** Nothing is said any more once this was called. */
  async stop(): Promise<void> {
    this.#stop.abort();
    for (const off of this.#offs.splice(0)) off();
    this.#calm?.();
    await Promise.all([this.#done, this.#heard]);
  }

  /** One look, now; two at a time are one. */
  look(): Promise<void> {
    if (!this.watched.look) return Promise.resolve();
    this.#looking ??= this.#glance(this.#stop.signal)
      .then((finding) => this.#hear(finding))
      .finally(() => (this.#looking = undefined));
    return this.#looking;
  }

  async #glance(signal: AbortSignal): Promise<Finding> {
    let finding: Finding;
    try {
      finding = (await this.watched.look?.(signal)) ?? unknown('it cannot look');
    } catch (error) {
      finding = unknown(messageOf(error));
    }
    if (finding.level === 'UNKNOWN') this.#unknowns += 1;
    return finding;
  }

  async #follow(): Promise<void> {
    const { signal } = this.#stop;
    let wait = againFirst;
    while (!signal.aborted) {
      const began = this.#desk.ticks();
      try {
        await this.watched.follow?.(
          {
            say: (finding, memory) => this.#hear(finding, memory),
            flicker: () => this.#flicker(),
            note: (memory) => {
              this.#memory = memory;
              this.#note();
            },
            memory: this.#memory,
            level: () => this.#judge.standing.level,
            rounds: this.#desk.rounds,
            log: this.#log,
          },
          signal,
        );
        return;
      } catch (error) {
        if (signal.aborted) return;
        this.#log.warn('check interrupted, it is begun again', { error: messageOf(error) });
        this.#unknowns += 1;
        await this.#hear(unknown(messageOf(error)));
        wait = this.#desk.ticks() - began > againLongest ? againFirst : Math.min(wait * 2, againLongest);
        await pause(wait, signal);
      }
    }
  }

  /** One after the other, in the order in which they were found. */
  #hear(finding: Finding, memory?: State): Promise<void> {
    this.#heard = this.#heard.then(() => this.#judgeOf(finding, memory));
    return this.#heard;
  }

  #flicker(): void {
    for (const word of this.#judge.flicker()) this.#add(word);
    if (this.#judge.standing.flapping) this.#awaitCalm();
  }

  async #judgeOf(finding: Finding, memory: State | undefined): Promise<void> {
    if (finding.level !== 'UNKNOWN') this.#unknowns = 0;
    // What cannot be told once may be told the next time.
    if (finding.level === 'UNKNOWN' && this.#unknowns < 2) return;
    if (finding.level !== 'OK' && finding.level !== this.#judge.standing.level && (await this.#desk.closing())) return;
    if (this.#stop.signal.aborted) return;
    if (memory) this.#memory = memory;
    const words = this.#judge.hear(finding);
    for (const word of words) this.#add(word);
    if (this.#judge.standing.flapping) this.#awaitCalm();
    if (words.length === 0) this.#note();
  }

  #awaitCalm(): void {
    this.#calm?.();
    this.#calm = this.#desk.rounds.in(this.#judge.calmIn ?? 0, () => {
      if (this.#stop.signal.aborted) return;
      if ((this.#judge.calmIn ?? 0) > 0) return this.#awaitCalm();
      for (const word of this.#judge.calm()) this.#add(word);
      // After a restart it is not known how it is until somebody has looked.
      if (this.#judge.standing.flapping) void this.look().then(() => this.#awaitCalmLater());
    });
  }

  #awaitCalmLater(): void {
    if (this.#judge.standing.flapping && !this.#stop.signal.aborted)
      this.#calm = this.#desk.rounds.in(5000, () => this.#awaitCalm());
  }

  /** Somebody said by hand that it is well; whether that was of this check. */
  settle(name: string, subject: { readonly name: string; readonly type: string }): boolean {
    const { standing } = this.#judge;
    const own = this.watched.subject;
    const meant = standing.name === name || (own.name === subject.name && own.type === subject.type);
    if (standing.level === 'OK' || !meant) return false;
    this.#judge.settle();
    this.#note();
    return true;
  }

  /** It is not made any more: what is still open of it is closed, for nobody else would. */
  close(why: string): void {
    const { standing } = this.#judge;
    if (standing.level !== 'OK')
      closeStanding(this.#desk, this.definition.key, { standing, subject: this.watched.subject }, why);
    this.#desk.ledger.forget(this.definition.key);
  }

  #kept(): Kept {
    return {
      standing: this.#judge.standing,
      subject: this.watched.subject,
      ...(this.#memory === undefined ? {} : { memory: this.#memory }),
    };
  }

  #note(): void {
    const kept = this.#kept();
    if (kept.standing?.level === 'OK' && !kept.memory) {
      // Nothing to remember of what was never bad.
      this.#desk.ledger.forget(this.definition.key);
      if (this.#desk.ledger.amnesia) this.#desk.ledger.note(this.definition.key, kept as State);
    } else this.#desk.ledger.note(this.definition.key, kept as unknown as State);
  }

  #add(word: Word): void {
    post(this.#desk, this.definition.key, this.watched.subject, word, this.#kept());
    this.#log.info('alert', { level: word.level, name: word.name, description: word.description.slice(0, 200) });
  }
}

/** Ends what is open of a check that is no more. */
export function closeStanding(desk: Desk, key: string, { standing, subject }: Kept, why: string): void {
  if (!standing || standing.level === 'OK' || !subject) return;
  for (const name of [standing.flapping, standing.name])
    if (name !== undefined) post(desk, key, subject, { level: 'OK', status: 'disabled', name, description: why }, {});
}

/** Keeps an alert for the server, with what its check has come to. */
export function post(
  desk: Desk,
  key: string,
  subject: Watched['subject'],
  word: Word,
  kept: Kept,
  made?: { id: string; at: number | undefined },
): void {
  const alert: Alert = {
    id: made?.id ?? randomUUID(),
    check: key.slice(0, 256),
    name: cleaned(word.name).slice(0, 1024),
    level: word.level,
    timestamp: new Date(made?.at ?? desk.now()).toISOString(),
    subject: {
      name: cleaned(subject.name).slice(0, 1024),
      type: cleaned(subject.type).slice(0, 256),
      status: cleaned(word.status).slice(0, 1024),
      details: {
        description: cleaned(word.description).slice(0, 16_384),
        ...(word.lines
          ? { lines_before: word.lines.before, line_matching: word.lines.matching, lines_after: word.lines.after }
          : {}),
      },
    },
  };
  desk.ledger.add(alert, key, kept as unknown as State);
  desk.nudge();
}
