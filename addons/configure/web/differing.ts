import type { PageHost } from '#addon/web';
import { button, el, moment } from '#addon/web/dom';
import { type Differing, stateWords } from '../answers.ts';
import { type Api, messageOf } from './api.ts';

/** Devices looked at with one request. */
const portion = 100;
/** Keys shown of one device; its own page has them all. */
const shownKeys = 4;

/** Devices of a place that do not have what they are to have, a portion of the place at a time. */
export class DifferingList {
  readonly element = el('section');
  readonly #host: Pick<PageHost, 'namesOf'>;
  readonly #api: Api;
  readonly #group: string;
  readonly #rows = el('tbody');
  readonly #foot = el('p', { className: 'foot' });
  readonly #table: HTMLElement;
  #looked = 0;

  /** `group`: empty for all devices. */
  constructor(host: Pick<PageHost, 'namesOf'>, api: Api, group: string) {
    this.#host = host;
    this.#api = api;
    this.#group = group;
    const heads = ['Device', 'State', 'What differs'].map((head) => el('th', {}, head));
    this.#table = el(
      'table',
      { hidden: true, className: 'differing' },
      el('thead', {}, el('tr', {}, ...heads)),
      this.#rows,
    );
    this.element.append(el('h3', {}, 'Devices that have something else'), this.#table, this.#foot);
  }

  /** Looks at the next portion. */
  async more(): Promise<void> {
    this.#foot.replaceChildren('Looking …');
    try {
      const page = Math.floor(this.#looked / portion) + 1;
      const { found, total } = await this.#api.differing(this.#group, page, portion);
      const names = await this.#host.namesOf(found.map(({ device_id }) => device_id)).catch(() => new Map());
      this.#rows.append(...found.map((each) => row(each, names.get(each.device_id) ?? each.device_id)));
      this.#table.hidden = this.#rows.childElementCount === 0;
      this.#looked = Math.min(total, page * portion);
      this.#say(total);
    } catch (error) {
      this.#foot.replaceChildren(
        messageOf(error),
        ' ',
        button('Look again', () => void this.more(), 'quiet'),
      );
    }
  }

  #say(total: number): void {
    const found = this.#rows.childElementCount;
    const left = total - this.#looked;
    this.#foot.replaceChildren(
      el('small', {}, words(found, this.#looked, total)),
      ...(left > 0 ? [button('Look at more', () => void this.more(), 'quiet')] : []),
    );
  }
}

function words(found: number, looked: number, total: number): string {
  if (total === 0) return 'There are no accepted devices here.';
  if (looked < total) return `${found === 0 ? 'None' : found} of the first ${looked} of ${total} devices.`;
  if (found > 0) return `${found} of ${total}.`;
  return total === 1 ? 'Its one device has what it is to have.' : `All ${total} devices have what they are to have.`;
}

function row({ device_id: id, state, drift }: Differing, name: string): HTMLElement {
  const keys = drift?.keys ?? [];
  const texts = keys
    .slice(0, shownKeys)
    .map(({ key, desired = 'nothing', reported = 'nothing', since }) =>
      el(
        'div',
        {},
        el('code', {}, key),
        ` is ${reported}, is to be ${desired}`,
        el('small', {}, 'since ', moment(since)),
      ),
    );
  const others = keys.length - shownKeys;
  return el(
    'tr',
    {},
    el('td', {}, el('a', { href: `/devices/${encodeURIComponent(id)}?tab=configure` }, name)),
    el('td', {}, el('span', { className: `state ${state}`, title: stateWords[state] }, state)),
    el('td', {}, ...texts, others > 0 && el('small', {}, `and ${others} more`)),
  );
}
