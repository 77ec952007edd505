import { el } from '#addon/web/dom';
import type { Level } from '../alert.ts';
import type { Kept, Standing } from '../answers.ts';
import type { Acts } from './acts.ts';
import { type Api, messageOf } from './api.ts';
import { details } from './details.ts';
import { act, Rows } from './rows.ts';
import { ago, levelSign, seen } from './signs.ts';

/** A check and its latest alert; `standing`: it is not OK. */
export interface AlertLine {
  readonly device_id: string;
  readonly alert_id: string;
  readonly check: string;
  readonly name: string;
  readonly level: Level;
  readonly since: string;
  readonly subject: { readonly name: string; readonly type: string; readonly status: string };
  readonly standing?: Standing;
}

export const lineOf = (standing: Standing): AlertLine => {
  const { device_id, alert_id, check, name, level, since, subject } = standing;
  return { device_id, alert_id, check, name, level, since, subject, standing };
};

export const keyOf = ({ device_id, check }: Pick<AlertLine, 'device_id' | 'check'>): string => `${device_id}/${check}`;

interface Options {
  /** What devices are called; absent: all are of one device, which the page names. */
  readonly nameOf?: (deviceId: string) => string;
  /** Rows may be chosen: called after each choice. */
  readonly choosing?: () => void;
}

/** Checks with what one can do about them. What was opened stays open. */
export class AlertRows {
  readonly chosen = new Set<string>();
  readonly #rows: Rows<AlertLine>;
  readonly #open = new Set<string>();
  readonly #api: Api;
  readonly #acts: Acts;
  readonly #options: Options;
  #lines: readonly AlertLine[] = [];

  constructor(label: string, api: Api, acts: Acts, options: Options = {}) {
    this.#api = api;
    this.#acts = acts;
    this.#options = options;
    this.#rows = new Rows<AlertLine>(label, keyOf, (line) => this.#draw(line));
  }

  get element(): HTMLElement {
    return this.#rows.element;
  }

  get lines(): readonly AlertLine[] {
    return this.#lines;
  }

  show(lines: readonly AlertLine[]): void {
    this.#lines = lines;
    const there = new Set(lines.map(keyOf));
    for (const key of this.chosen) if (!there.has(key)) this.chosen.delete(key);
    this.#rows.show(lines);
  }

  /** Draws all anew, such as when what was chosen is so no more. */
  again(): void {
    for (const line of this.#lines) this.#rows.spoil(keyOf(line));
    this.#rows.show(this.#lines);
  }

  #draw(line: AlertLine): HTMLElement {
    const { device_id: id, check, level, since, subject, standing } = line;
    const key = keyOf(line);
    const { nameOf, choosing } = this.#options;
    const more = el('div', {});
    const name = act('open', seen(line.name), '', () => this.#toggle(line, name, more), 'name');
    name.ariaLabel = null;
    name.ariaExpanded = 'false';
    const under = el(
      'div',
      { className: 'under' },
      nameOf && el('a', { href: `/devices/${encodeURIComponent(id)}?tab=monitor` }, seen(nameOf(id))),
      el('code', {}, seen(check)),
      el('span', {}, seen(subject.status)),
      el('span', {}, level === 'OK' ? 'well since ' : 'since ', ago(since)),
      ...(standing ? stateOf(standing) : []),
    );
    const item = el(
      'li',
      {},
      el(
        'div',
        { className: choosing ? 'row' : 'row plain' },
        choosing && this.#box(line, choosing),
        levelSign(level),
        el('div', { className: 'what' }, name, under),
        el('div', { className: 'does' }, ...this.#does(line)),
      ),
      more,
    );
    if (this.#open.has(key)) this.#unfold(line, name, more);
    return item;
  }

  #box(line: AlertLine, choosing: () => void): HTMLInputElement {
    const key = keyOf(line);
    const box = el('input', { type: 'checkbox', checked: this.chosen.has(key), ariaLabel: `Choose ${line.name}` });
    box.dataset['act'] = 'choose';
    box.addEventListener('change', () => {
      if (box.checked) this.chosen.add(key);
      else this.chosen.delete(key);
      choosing();
    });
    return box;
  }

  #does(line: AlertLine): (HTMLElement | false)[] {
    const { device_id: device, check, name, standing } = line;
    const { nameOf } = this.#options;
    const shell =
      nameOf &&
      el('a', { className: 'button quiet', href: `/devices/${encodeURIComponent(device)}?tab=terminal` }, 'Shell');
    if (!this.#acts.may || !standing) return [shell ?? false];
    return [
      standing.acknowledged
        ? act('ack', 'Take back', `Take the acknowledgement of ${name} back`, () => void this.#acts.takeBack([line]))
        : act('ack', 'Acknowledge', `Acknowledge ${name}`, () => void this.#acts.acknowledge([line])),
      act(
        'silence',
        'Silence',
        `Silence ${name}`,
        () =>
          void this.#acts.silence([
            [`${check} on this device`, [{ device, check }]],
            ['all checks of this device', [{ device }]],
            [`${check} on all devices`, [{ check }]],
          ]),
      ),
      shell ?? false,
    ];
  }

  #toggle(line: AlertLine, name: HTMLElement, more: HTMLElement): void {
    if (this.#open.delete(keyOf(line))) {
      name.ariaExpanded = 'false';
      more.replaceChildren();
      return;
    }
    this.#open.add(keyOf(line));
    this.#unfold(line, name, more);
  }

  #unfold(line: AlertLine, name: HTMLElement, more: HTMLElement): void {
    name.ariaExpanded = 'true';
    const show = (content: HTMLElement): void => {
      if (this.#open.has(keyOf(line))) more.replaceChildren(content);
    };
    this.#api.latest(line.device_id).then(
      ({ found }) => {
        const kept = found.find(({ id }: Kept) => id === line.alert_id);
        show(kept ? details(kept) : el('p', { className: 'dim' }, 'It has changed meanwhile.'));
      },
      (error: unknown) => show(el('p', { className: 'problem' }, messageOf(error))),
    );
  }
}

/** Who sees to it, and until when nobody is told. */
export function stateOf({ acknowledged, silence }: Standing): HTMLElement[] {
  return [
    ...(acknowledged
      ? [
          el(
            'span',
            { className: 'sign good' },
            `acknowledged by ${seen(acknowledged.by)}`,
            acknowledged.note === '' ? '' : `: ${seen(acknowledged.note)}`,
          ),
        ]
      : []),
    ...(silence
      ? [
          el(
            'span',
            { className: 'sign', title: seen(silence.reason) },
            `silenced until ${new Date(silence.ends).toLocaleString()}`,
          ),
        ]
      : []),
  ];
}
