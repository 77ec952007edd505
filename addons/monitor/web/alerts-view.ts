import { button, el } from '#addon/web/dom';
import type { Counts } from '../answers.ts';
import { levelWords } from '../words.ts';
import { Acts } from './acts.ts';
import { AlertRows, keyOf, lineOf } from './alert-rows.ts';
import { messageOf } from './api.ts';
import { Names } from './names.ts';
import { pager } from './pager.ts';
import { choice, field, gap, line } from './signs.ts';
import type { Shared, View } from './view.ts';

const perPage = 50;
const states = [
  ['', 'open'],
  ['acknowledged', 'acknowledged'],
  ['silenced', 'silenced'],
  ['all', 'all that is not OK'],
] as const;
const levels = [
  ['', 'any'],
  ['CRITICAL,CRITICAL_FLAPPING', 'critical'],
  ['WARNING', 'warning'],
  ['UNKNOWN', 'unknown'],
] as const;

/** All that is not OK within the person's reach, live; seen to and silenced one by one or many at once. */
export class AlertsView implements View {
  readonly element: HTMLElement;
  readonly #shared: Shared;
  readonly #acts: Acts;
  readonly #rows: AlertRows;
  readonly #names: Names;
  readonly #figures = el('div', { className: 'figures', role: 'status' });
  readonly #problem = el('p', { className: 'problem', hidden: true });
  readonly #none = el('div', { className: 'empty', hidden: true });
  readonly #foot = el('div');
  readonly #bar = line();
  readonly #groups = el('datalist', { id: 'monitor-groups' });
  #groupsAsked = false;

  constructor(shared: Shared) {
    const { host, api, element, again } = shared;
    this.#shared = shared;
    this.#names = new Names(host);
    this.#acts = new Acts(host, api, element, again);
    this.#rows = new AlertRows('Alerts', api, this.#acts, {
      nameOf: (id) => this.#names.of(id),
      ...(this.#acts.may ? { choosing: () => this.#showBar() } : {}),
    });
    this.#bar.className = 'bar line';
    this.#bar.hidden = true;
    this.#bar.role = 'toolbar';
    this.#bar.ariaLabel = 'Chosen alerts';
    this.element = el(
      'div',
      {},
      this.#figures,
      this.#filters(),
      this.#problem,
      this.#none,
      this.#rows.element,
      this.#foot,
      this.#bar,
      this.#groups,
    );
  }

  async show(): Promise<void> {
    const { api, query } = this.#shared;
    const { level = '', group = '', check = '', state = '' } = query;
    const page = Number(query['page'] ?? '1') || 1;
    const filter = { level, group, check };
    try {
      const [counts, { found, total }] = await Promise.all([
        api.counts(filter),
        api.standing({
          ...filter,
          state: state === '' ? 'open' : state === 'all' ? '' : state,
          page,
          per_page: perPage,
        }),
        this.#askGroups(),
      ]);
      await this.#names.learn(found.map(({ device_id }) => device_id));
      this.#problem.hidden = true;
      this.#showCounts(counts);
      this.#rows.show(found.map(lineOf));
      this.#showNone(total, counts);
      const way = pager(page, perPage, total, (to) => this.#filter({ page: to > 1 ? String(to) : '' }));
      this.#foot.replaceChildren(...(way ? [way] : []));
      this.#showBar();
    } catch (error) {
      this.#problem.hidden = false;
      this.#problem.textContent = messageOf(error);
    }
  }

  #filters(): HTMLElement {
    const { query } = this.#shared;
    const state = choice('Show', states, query['state'] ?? '');
    const level = choice('Level', levels, query['level'] ?? '');
    const group = el('input', {
      value: query['group'] ?? '',
      placeholder: 'any',
      ariaLabel: 'Group',
      spellcheck: false,
    });
    group.setAttribute('list', this.#groups.id);
    const check = el('input', {
      value: query['check'] ?? '',
      placeholder: 'any, or disk_*',
      ariaLabel: 'Check',
      spellcheck: false,
    });
    const changed = (): void =>
      this.#filter({
        state: state.value,
        level: level.value,
        group: group.value.trim(),
        check: check.value.trim(),
        page: '',
      });
    for (const control of [state, level, group, check]) control.addEventListener('change', changed);
    return el(
      'div',
      { className: 'filters', role: 'search' },
      field('Show', state),
      field('Level', level),
      field('Group', group),
      field('Check', check),
    );
  }

  #filter(change: Readonly<Record<string, string>>): void {
    this.#shared.keep(change);
    this.#rows.chosen.clear();
    this.#shared.again();
  }

  async #askGroups(): Promise<void> {
    if (this.#groupsAsked) return;
    this.#groupsAsked = true;
    // Whoever may not read groups types their names.
    const groups = (await this.#shared.api.groups().catch(() => [])).map(({ name }) => name);
    this.#groups.replaceChildren(...groups.map((value) => el('option', { value })));
  }

  #showCounts({ open, acknowledged, silenced, devices, levels }: Counts): void {
    const figure = (count: number, words: string): HTMLElement =>
      el('span', {}, el('b', {}, count.toLocaleString()), words);
    const byLevel = Object.entries(levels)
      .map(([level, count]) => `${count} ${levelWords[level as keyof typeof levelWords]?.toLowerCase() ?? level}`)
      .join(', ');
    this.#figures.replaceChildren(
      figure(open, 'open'),
      figure(acknowledged, 'acknowledged'),
      figure(silenced, 'silenced'),
      figure(devices, devices === 1 ? 'device' : 'devices'),
      el('span', { className: 'dim' }, byLevel),
    );
  }

  #showNone(total: number, { open, acknowledged, silenced }: Counts): void {
    this.#none.hidden = total > 0;
    if (total > 0) return;
    const { level = '', group = '', check = '', state = '' } = this.#shared.query;
    const filtered = [level, group, check].some((one) => one !== '');
    const others = acknowledged + silenced;
    this.#none.replaceChildren(
      el('b', {}, filtered ? 'Nothing of this kind is wrong' : state === '' ? 'No open alerts' : 'Nothing here'),
      state === '' && others > 0
        ? `${others} more ${others === 1 ? 'is' : 'are'} acknowledged or silenced.`
        : state !== '' && open > 0
          ? `${open} open.`
          : 'This page is live: what goes wrong appears here by itself.',
    );
  }

  #showBar(): void {
    const { chosen, lines } = this.#rows;
    this.#bar.hidden = chosen.size === 0;
    if (chosen.size === 0) return;
    const some = lines.filter((one) => chosen.has(keyOf(one)));
    const done = (did: boolean): void => {
      if (!did) return;
      chosen.clear();
      this.#rows.again();
      this.#showBar();
    };
    const devices = [...new Set(some.map(({ device_id }) => device_id))];
    this.#bar.replaceChildren(
      el('b', {}, `${some.length} chosen`),
      button('Acknowledge', () => void this.#acts.acknowledge(some).then(done)),
      button(
        'Silence',
        () =>
          void this.#acts
            .silence([
              ['these checks of these devices', some.map(({ device_id: device, check }) => ({ device, check }))],
              [`all checks of these devices (${devices.length})`, devices.map((device) => ({ device }))],
            ])
            .then(done),
        'quiet',
      ),
      button(
        'Choose all shown',
        () => {
          for (const one of lines) chosen.add(keyOf(one));
          this.#rows.again();
          this.#showBar();
        },
        'quiet',
      ),
      gap(),
      button('Clear', () => done(true), 'quiet'),
    );
  }
}
