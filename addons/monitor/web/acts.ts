import { el } from '#addon/web/dom';
import type { AnyWebHost } from '#addon/web';
import type { Standing } from '../answers.ts';
import { type Api, messageOf, type NewSilence } from './api.ts';
import { ask } from './dialog.ts';
import { choice, field } from './signs.ts';

type Of = Pick<Standing, 'device_id' | 'check'>;

/** What an on-call person does about alerts; `changed` once something has been done. */
export class Acts {
  readonly #host: Pick<AnyWebHost, 'notify' | 'may'>;
  readonly #api: Api;
  readonly #parent: HTMLElement;
  readonly #changed: () => void;
  constructor(host: Pick<AnyWebHost, 'notify' | 'may'>, api: Api, parent: HTMLElement, changed: () => void) {
    this.#host = host;
    this.#api = api;
    this.#parent = parent;
    this.#changed = changed;
  }

  get may(): boolean {
    return this.#host.may('addon:monitor:respond');
  }

  async acknowledge(alerts: readonly Of[]): Promise<boolean> {
    const note = el('textarea', { rows: 2, maxLength: 1024, ariaLabel: 'Note' });
    const done = await ask(
      this.#parent,
      alerts.length === 1 ? `Acknowledge ${alerts[0]?.check ?? ''}` : `Acknowledge ${alerts.length} alerts`,
      [
        el('p', {}, 'You see to it. It stays so until the check is OK again.'),
        field('Note', note, 'for the others who are on call; may be left out'),
      ],
      'Acknowledge',
      () => this.#each(alerts, (id, checks) => this.#api.acknowledge(id, checks, note.value.trim())),
    );
    if (done) this.#did(alerts.length === 1 ? 'Acknowledged' : `${alerts.length} alerts acknowledged`);
    return done;
  }

  async takeBack(alerts: readonly Of[]): Promise<void> {
    try {
      await this.#each(alerts, (id, checks) => this.#api.unacknowledge(id, checks));
      this.#did('Open again');
    } catch (error) {
      this.#host.notify(messageOf(error), 'error');
    }
  }

  /** `scopes`: what may be meant, each with its words; the first is the usual one. */
  async silence(
    scopes: readonly (readonly [words: string, silences: readonly Omit<NewSilence, 'minutes' | 'reason'>[]])[],
  ) {
    const what = choice(
      'What',
      scopes.map(([words], at) => [String(at), words] as const),
      '0',
    );
    const time = choice('For how long', times, '120');
    const reason = el('input', { maxLength: 1024, required: true, ariaLabel: 'Reason' });
    const done = await ask(
      this.#parent,
      'Silence',
      [
        el('p', {}, 'Nobody is told of what happens there meanwhile. It is shown all the same.'),
        field('What', what),
        field('For how long', time),
        field('Reason', reason),
      ],
      'Silence',
      async () => {
        const [, silences] = scopes[Number(what.value)] ?? [];
        for (const silence of silences ?? [])
          await this.#api.silence({ ...silence, minutes: Number(time.value), reason: reason.value.trim() });
      },
    );
    if (done) this.#did('Silenced');
    return done;
  }

  async #each(alerts: readonly Of[], work: (id: string, checks: string[]) => Promise<unknown>): Promise<void> {
    for (const [id, some] of Map.groupBy(alerts, ({ device_id }) => device_id))
      await work(
        id,
        some.map(({ check }) => check),
      );
  }

  #did(words: string): void {
    this.#host.notify(words);
    this.#changed();
  }
}

const times = [
  ['30', '30 minutes'],
  ['60', '1 hour'],
  ['120', '2 hours'],
  ['480', '8 hours'],
  ['1440', '1 day'],
  ['10080', '1 week'],
] as const;
