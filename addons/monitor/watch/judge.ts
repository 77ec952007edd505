import type { Level, LogLine } from '../alert.ts';

/** What a check has found just now. */
export interface Finding {
  readonly level: Level;
  /** In a word or two: `running`. */
  readonly status: string;
  /** For a person: what was measured. */
  readonly description: string;
  readonly lines?: { readonly before: LogLine[]; readonly matching: LogLine; readonly after: LogLine[] };
}

/** What is to be said: an alert without its time and its subject's name. */
export interface Word extends Finding {
  readonly name: string;
}

/** What is kept of a check over a restart. */
export interface Standing {
  /** What was said last, were it by silence: `OK` of a check that was never bad. */
  readonly level: Level;
  /** Its name, while it is bad. */
  readonly name?: string;
  /** It goes up and down: what that alert is called. */
  readonly flapping?: string;
}

export interface JudgeOptions {
  readonly title: string;
  /** Of an alert that it goes up and down; absent: it is not looked for. */
  readonly flappingTitle?: string;
  readonly flapping: () => { readonly interval: number; readonly count: number };
  readonly standing?: Standing;
  /** Nothing is known of it though something may have been said. */
  readonly amnesia?: boolean;
  /** On a clock that never jumps, ms. */
  readonly ticks: () => number;
}

/**
 * What of a check's findings is worth a word (add-ons.md §6.4): one when it turns bad, none while it stays so, one when it
 * is well again, with the same name. One that changes too often is said to go up and down, and then nothing until it is calm.
 */
export class Judge {
  readonly #options: JudgeOptions;
  #standing: Standing;
  #raw: Finding | undefined;
  #changes: number[] = [];
  #forgotten: boolean;

  constructor(options: JudgeOptions) {
    this.#options = options;
    this.#standing = options.standing ?? { level: 'OK' };
    this.#forgotten = options.amnesia ?? false;
  }

  get standing(): Standing {
    return this.#standing;
  }

  /** Until it is calm, ms; undefined unless it goes up and down. */
  get calmIn(): number | undefined {
    if (!this.#standing.flapping) return undefined;
    const { interval } = this.#options.flapping();
    const last = this.#changes.at(-1);
    return last === undefined ? 0 : Math.max(0, last + interval * 1000 - this.#options.ticks());
  }

  /** What is to be said of this. */
  hear(finding: Finding): Word[] {
    const { title, flappingTitle, ticks, flapping } = this.#options;
    const before = this.#raw?.level ?? this.#standing.level;
    this.#raw = finding;
    if ((finding.level === 'OK') !== (before === 'OK')) {
      const { interval } = flapping();
      this.#changes = [...this.#changes.filter((at) => at > ticks() - interval * 1000), ticks()];
    }
    if (this.#standing.flapping) return [];
    if (flappingTitle && this.#changes.length > flapping().count) {
      return [this.#flap(flappingTitle)];
    }
    if (this.#forgotten) {
      this.#forgotten = false;
      if (finding.level === 'OK') return [this.#say(finding, title)];
    }
    if (finding.level === this.#standing.level) return [];
    return [this.#say(finding, this.#standing.name ?? title)];
  }

  /** It was bad for a moment too short to be said, and is well again; if that happens too often it is said. */
  flicker(): Word[] {
    const { flappingTitle, ticks, flapping } = this.#options;
    const { interval, count } = flapping();
    this.#changes = [...this.#changes.filter((at) => at > ticks() - interval * 1000), ticks(), ticks()];
    if (this.#standing.flapping || !flappingTitle || this.#changes.length <= count) return [];
    return [this.#flap(flappingTitle)];
  }

  #flap(flappingTitle: string): Word {
    const { name } = this.#standing;
    this.#standing = { level: 'CRITICAL', flapping: flappingTitle, ...(name === undefined ? {} : { name }) };
    const description = `${this.#changes.length} changes within ${this.#options.flapping().interval} s`;
    return { level: 'CRITICAL', status: 'flapping', name: flappingTitle, description };
  }

  /** It has been calm for long enough: the end of going up and down, and how it really is. */
  calm(): Word[] {
    const { title } = this.#options;
    const { flapping: flappingTitle } = this.#standing;
    const raw = this.#raw;
    if (flappingTitle === undefined || !raw) return [];
    const name = this.#standing.name ?? title;
    this.#changes = [];
    const ended = {
      level: 'OK',
      status: raw.status,
      description: 'it has been calm for a while',
      name: flappingTitle,
    } as const;
    return [ended, this.#say(raw, name)];
  }

  /** Somebody has said by hand that it is well. */
  settle(): void {
    this.#standing = { level: 'OK' };
    this.#raw = undefined;
    this.#changes = [];
  }

  #say(finding: Finding, name: string): Word {
    this.#standing = finding.level === 'OK' ? { level: 'OK' } : { level: finding.level, name };
    return { ...finding, name };
  }
}
