import { el, moment } from '#addon/web/dom';
import type { Kept } from '../answers.ts';
import { type Api, messageOf } from './api.ts';
import { details } from './details.ts';
import { pager } from './pager.ts';
import { act, Rows } from './rows.ts';
import { choice, field, gap, levelSign, line, seen } from './signs.ts';

const perPage = 20;
const spans = [
  ['', 'all that is kept'],
  ['1', 'the last hour'],
  ['24', 'the last day'],
  ['168', 'the last week'],
  ['720', 'the last 30 days'],
  ['own', 'from … to …'],
] as const;

/** All alerts of a device that are kept, page by page, within a time. */
export class History {
  readonly element: HTMLElement;
  readonly #api: Api;
  readonly #device: string;
  readonly #rows = new Rows<Kept>('Alerts that came', ({ id }) => id, row);
  readonly #foot = el('div');
  readonly #problem = el('p', { className: 'problem', hidden: true });
  readonly #none = el('p', { className: 'dim', hidden: true }, 'No alerts came.');
  readonly #span = choice('Alerts of', spans, '');
  readonly #from = el('input', { type: 'datetime-local', ariaLabel: 'From' });
  readonly #to = el('input', { type: 'datetime-local', ariaLabel: 'To' });
  #page = 1;

  constructor(api: Api, device: string) {
    this.#api = api;
    this.#device = device;
    const bounds = line(field('From', this.#from), field('To', this.#to));
    bounds.hidden = true;
    for (const control of [this.#span, this.#from, this.#to])
      control.addEventListener('change', () => {
        bounds.hidden = this.#span.value !== 'own';
        this.#page = 1;
        void this.show();
      });
    this.element = el(
      'section',
      {},
      line(el('h3', {}, 'History'), gap(), el('div', {}, this.#span)),
      bounds,
      this.#problem,
      this.#none,
      this.#rows.element,
      this.#foot,
    );
  }

  async show(): Promise<void> {
    const { found, total } = await this.#api
      .history(this.#device, { page: this.#page, per_page: perPage, ...this.#bounds() })
      .catch((error: unknown) => {
        this.#problem.textContent = messageOf(error);
        return { found: [], total: -1 };
      });
    this.#problem.hidden = total >= 0;
    this.#none.hidden = total !== 0;
    this.#rows.show(found);
    const way = pager(this.#page, perPage, total, (page) => {
      this.#page = page;
      void this.show();
    });
    this.#foot.replaceChildren(...(way ? [way] : []));
  }

  #bounds(): { issued_after?: string; issued_before?: string } {
    const { value } = this.#span;
    const time = (input: HTMLInputElement): string | undefined =>
      input.value === '' ? undefined : new Date(input.value).toISOString();
    const after = value === 'own' ? time(this.#from) : value === '' ? undefined : hoursAgo(Number(value));
    const before = value === 'own' ? time(this.#to) : undefined;
    return {
      ...(after === undefined ? {} : { issued_after: after }),
      ...(before === undefined ? {} : { issued_before: before }),
    };
  }
}

const hoursAgo = (hours: number): string => new Date(Date.now() - hours * 3_600_000).toISOString();

function row(kept: Kept): HTMLElement {
  const more = el('div');
  const name = act('open', seen(kept.name), '', () => unfold(), 'name');
  name.ariaLabel = null;
  name.ariaExpanded = 'false';
  const unfold = (): void => {
    const open = name.ariaExpanded === 'true';
    name.ariaExpanded = String(!open);
    more.replaceChildren(...(open ? [] : [details(kept)]));
  };
  const { check, subject } = kept;
  return el(
    'li',
    {},
    el(
      'div',
      { className: 'row plain' },
      levelSign(kept.level),
      el(
        'div',
        { className: 'what' },
        name,
        el(
          'div',
          { className: 'under' },
          check === undefined ? undefined : el('code', {}, seen(check)),
          el('span', {}, seen(subject.status)),
        ),
      ),
      el('span', { className: 'dim' }, moment(kept.timestamp)),
    ),
    more,
  );
}
