import { button, el, moment } from '#addon/web/dom';
import type { CheckLayer, CheckVersion } from '../answers.ts';
import type { Check } from '../check.ts';
import { idOf, summaryOf } from '../words.ts';
import { messageOf, type PlacePath } from './api.ts';
import { askCheck } from './check-form.ts';
import { withCheck, without } from './device-checks.ts';
import { choice, gap, line, seen } from './signs.ts';
import type { Shared, View } from './view.ts';

/** The checks of the fleet and of groups, with their history. */
export class PlacesView implements View {
  readonly element: HTMLElement;
  readonly #shared: Shared;
  readonly #select: HTMLSelectElement;
  readonly #place = el('div');
  #shown = '';

  constructor(shared: Shared) {
    this.#shared = shared;
    this.#select = choice('Checks of', [], '');
    this.#select.addEventListener('change', () => this.#go(this.#select.value));
    const head = line(
      el('span', {}, 'Checks of'),
      el('div', {}, this.#select),
      gap(),
      button('Add a check', () => void this.#ask(undefined)),
    );
    this.element = el('div', {}, head, el('p'), this.#place);
  }

  get #path(): PlacePath {
    const place = this.#shared.query['place'] ?? '';
    return place === '' ? 'fleet' : `groups/${encodeURIComponent(place)}`;
  }

  async show(): Promise<void> {
    const { api } = this.#shared;
    try {
      const [groups, layer, history] = await Promise.all([
        api.groups().catch(() => []),
        api.checks(this.#path),
        api.checkHistory(this.#path),
      ]);
      const content = JSON.stringify([groups, layer, history, this.#path]);
      if (content === this.#shown) return;
      this.#shown = content;
      this.#showPlaces(groups.map(({ name }) => name));
      this.#place.replaceChildren(this.#checks(layer), ...this.#history(history));
    } catch (error) {
      this.#shown = '';
      this.#place.replaceChildren(el('p', { className: 'problem' }, messageOf(error)));
    }
  }

  #showPlaces(found: readonly string[]): void {
    const here = this.#shared.query['place'] ?? '';
    const groups = here === '' || found.includes(here) ? found : [...found, here];
    this.#select.replaceChildren(
      el('option', { value: '' }, 'all devices'),
      ...groups.map((name) => el('option', { value: name }, `group ${name}`)),
    );
    this.#select.value = here;
  }

  #checks({ checks, without: kept, version, updated_ts: ts, updated_by: by }: CheckLayer): HTMLElement {
    if (checks.length + kept.length === 0)
      return el(
        'div',
        { className: 'empty' },
        el('b', {}, 'No checks are given here'),
        'Devices that are connected make what is given here at once, the others when they are back.',
      );
    const rows = [
      ...checks.map((check) => {
        const id = idOf(check);
        const change = button('Change', () => void this.#ask(check), 'quiet');
        change.ariaLabel = `Change ${id}`;
        const remove = button(
          'Remove',
          () => void this.#change(`${id} removed`, (layer) => without(layer, id)),
          'quiet',
        );
        remove.ariaLabel = `Remove ${id}`;
        return [el('code', {}, id), seen(summaryOf(check) || '–'), el('span', {}, change, ' ', remove)] as const;
      }),
      ...kept.map((id) => {
        const undo = button(
          'Make it again',
          () => void this.#change(`${id} is made again`, (layer) => without(layer, id)),
          'quiet',
        );
        return [el('code', {}, id), 'not made here', undo] as const;
      }),
    ];
    return el(
      'div',
      { className: 'scroll' },
      el(
        'table',
        {},
        el('thead', {}, el('tr', {}, ...['Check', 'What', ''].map((head) => el('th', {}, head)))),
        el('tbody', {}, ...rows.map((cells) => el('tr', {}, ...cells.map((cell) => el('td', {}, cell))))),
      ),
      el(
        'p',
        { className: 'dim' },
        `Version ${version}`,
        ...(ts === undefined ? [] : [', ', moment(ts)]),
        by ? `, ${seen(by)}` : '',
      ),
    );
  }

  #history(versions: readonly CheckVersion[]): HTMLElement[] {
    if (versions.length === 0) return [];
    const rows = versions.map(({ version, ts, by, reverts, added = [], changed = [], removed = [] }, at) =>
      el(
        'tr',
        {},
        el('td', {}, String(version)),
        el('td', {}, moment(ts)),
        el('td', {}, seen(by), reverts === undefined ? '' : `, back to ${reverts}`),
        el(
          'td',
          {},
          [...added.map((id) => `+ ${id}`), ...changed.map((id) => `~ ${id}`), ...removed.map((id) => `− ${id}`)].join(
            '  ',
          ),
        ),
        el('td', {}, at > 0 && button(`Back to ${version}`, () => void this.#revert(version), 'quiet')),
      ),
    );
    return [el('h3', {}, 'History'), el('div', { className: 'scroll' }, el('table', {}, el('tbody', {}, ...rows)))];
  }

  #go(place: string): void {
    this.#shared.keep({ place });
    this.#shared.again();
  }

  async #ask(before: Check | undefined): Promise<void> {
    const { api, host, element, again } = this.#shared;
    const done = await askCheck(element, before, async (check) => {
      await api.setChecks(this.#path, withCheck(await api.checks(this.#path), check));
    });
    if (!done) return;
    host.notify('Saved; devices that are connected make it at once');
    again();
  }

  async #change(
    words: string,
    change: (layer: CheckLayer) => Parameters<Shared['api']['setChecks']>[1],
  ): Promise<void> {
    await this.#do(words, async (api) => await api.setChecks(this.#path, change(await api.checks(this.#path))));
  }

  async #revert(version: number): Promise<void> {
    await this.#do(`The checks of version ${version} again`, (api) => api.revertChecks(this.#path, version));
  }

  async #do(words: string, work: (api: Shared['api']) => Promise<unknown>): Promise<void> {
    const { api, host, again } = this.#shared;
    try {
      await work(api);
      host.notify(words);
    } catch (error) {
      host.notify(messageOf(error), 'error');
    }
    again();
  }
}
