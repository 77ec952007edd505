import { button, el, moment } from '#addon/web/dom';
import type { Channel, Delivery, MonitorSettings } from '../answers.ts';
import { levelWords } from '../words.ts';
import { messageOf } from './api.ts';
import { askChannel } from './channel-form.ts';
import { ask } from './dialog.ts';
import { Rows } from './rows.ts';
import { field, gap, line, seen } from './signs.ts';
import type { Shared, View } from './view.ts';

/** Who is told, what holds for all devices, and how the last notifications went. */
export class NotificationsView implements View {
  readonly element: HTMLElement;
  readonly #shared: Shared;
  readonly #channels = new Rows<Channel>(
    'Routes',
    ({ id }) => id,
    (channel) => this.#channel(channel),
  );
  readonly #none = el('p', { className: 'dim', hidden: true }, 'There are no routes besides the mailboxes of users.');
  readonly #settings = el('div');
  readonly #log = el('div');
  readonly #problem = el('p', { className: 'problem', hidden: true });
  #shown = '';

  constructor(shared: Shared) {
    this.#shared = shared;
    this.element = el(
      'div',
      {},
      this.#problem,
      line(
        el('h3', {}, 'Routes'),
        gap(),
        button('New route', () => void this.#ask(undefined)),
      ),
      this.#none,
      this.#channels.element,
      this.#settings,
      el('h3', {}, 'Sent lately'),
      this.#log,
    );
  }

  async show(): Promise<void> {
    const { api } = this.#shared;
    try {
      const [channels, settings, { found }] = await Promise.all([
        api.channels(),
        api.settings(),
        api.deliveries({ per_page: 20 }),
      ]);
      this.#problem.hidden = true;
      this.#none.hidden = channels.length > 0;
      this.#channels.show(channels);
      this.#log.replaceChildren(logOf(found));
      // What somebody is typing stays, unless somebody else has set something.
      const content = JSON.stringify(settings);
      if (content === this.#shown) return;
      this.#shown = content;
      this.#settings.replaceChildren(this.#settingsOf(settings));
    } catch (error) {
      this.#problem.hidden = false;
      this.#problem.textContent = messageOf(error);
    }
  }

  #channel(channel: Channel): HTMLElement {
    const { id, name, kind, to, url, problem, enabled, groups, levels, checks, recoveries } = channel;
    const only = [
      ...(groups.length > 0 ? [`groups ${groups.join(', ')}`] : []),
      ...(levels.length > 0 ? [levels.map((level) => levelWords[level].toLowerCase()).join(', ')] : []),
      ...(checks.length > 0 ? [`checks ${checks.join(', ')}`] : []),
    ];
    const does = (text: string, work: () => Promise<unknown>): HTMLButtonElement => {
      const made = button(text, () => void work(), 'quiet');
      made.ariaLabel = `${text} ${name}`;
      made.dataset['act'] = text;
      return made;
    };
    return el(
      'li',
      {},
      el(
        'div',
        { className: 'row plain' },
        el('span', { className: `sign ${enabled ? 'good' : ''}` }, enabled ? kind : `${kind}, off`),
        el(
          'div',
          { className: 'what' },
          el('span', { className: 'name' }, seen(name)),
          el(
            'div',
            { className: 'under' },
            problem === undefined
              ? el('span', {}, seen(to?.join(', ') ?? url ?? ''))
              : el('span', { className: 'sign bad' }, problem),
            el('span', {}, only.length > 0 ? `only ${seen(only.join('; '))}` : 'of everything'),
            el('span', {}, recoveries ? '' : 'not when it is over'),
          ),
        ),
        el(
          'div',
          { className: 'does' },
          does('Test', () => this.#test(channel)),
          does('Change', () => this.#ask(channel)),
          does(enabled ? 'Switch off' : 'Switch on', () =>
            this.#do(`${name} is ${enabled ? 'off' : 'on'}`, () =>
              this.#shared.api.changeChannel(id, { enabled: !enabled }),
            ),
          ),
          does('Remove', () => this.#remove(channel)),
        ),
      ),
    );
  }

  async #ask(before: Channel | undefined): Promise<void> {
    const { api, element, host, again } = this.#shared;
    const done = await askChannel(element, before, (body) =>
      before ? api.changeChannel(before.id, body) : api.addChannel(body),
    );
    if (!done) return;
    host.notify('Saved');
    again();
  }

  async #remove({ id, name }: Channel): Promise<void> {
    const { api, element, host, again } = this.#shared;
    const done = await ask(
      element,
      `Remove ${name}?`,
      [el('p', {}, 'What waits to be sent there is dropped.')],
      'Remove',
      () => api.removeChannel(id),
    );
    if (!done) return;
    host.notify(`${name} removed`);
    again();
  }

  async #test({ id, name }: Channel): Promise<void> {
    await this.#do(`${name}: a test was sent`, async () => {
      const { sent, error = 'it was not sent' } = await this.#shared.api.testChannel(id);
      if (!sent) throw new Error(`${name}: ${error}`);
    });
  }

  #settingsOf(settings: MonitorSettings): HTMLElement {
    const email = el('input', { type: 'checkbox', checked: settings.email });
    const number = (value: number, max: number, min = 0): HTMLInputElement =>
      el('input', { type: 'number', value: String(value), min: String(min), max: String(max), required: true });
    const offline = number(settings.offline_seconds, 604_800);
    const grace = number(settings.offline_grace_seconds, 86_400);
    const group = number(settings.group_seconds, 600);
    const days = number(settings.history_days, 3650, 1);
    const form = el(
      'form',
      {},
      el('h3', {}, 'For all devices'),
      el('label', { className: 'tick' }, email, 'E-mails to all users who may read the device'),
      settings.mail_configured
        ? undefined
        : el('p', { className: 'dim' }, 'The server has no mail server yet: --smtp-url and --mail-from.'),
      el(
        'div',
        { className: 'two' },
        field('Offline after, seconds', offline, 'without its connection; 0 for never'),
        field('Nobody is offline before, seconds', grace, 'after a start of the server'),
        field('One message for, seconds', group, 'alerts of one name within so long'),
        field('Alerts are kept, days', days),
      ),
      el('button', { type: 'submit' }, 'Save'),
    );
    form.addEventListener('submit', (event) => {
      event.preventDefault();
      void this.#do('Saved', () =>
        this.#shared.api.changeSettings({
          email: email.checked,
          offline_seconds: Number(offline.value),
          offline_grace_seconds: Number(grace.value),
          group_seconds: Number(group.value),
          history_days: Number(days.value),
        }),
      );
    });
    return form;
  }

  async #do(words: string, work: () => Promise<unknown>): Promise<void> {
    const { host, again } = this.#shared;
    try {
      await work();
      host.notify(words);
    } catch (error) {
      host.notify(messageOf(error), 'error');
    }
    again();
  }
}

function logOf(found: readonly Delivery[]): HTMLElement {
  if (found.length === 0) return el('p', { className: 'dim' }, 'Nothing within the last seven days.');
  const signs = { sent: 'good', waiting: 'uneasy', failed: 'bad', dropped: 'bad' } as const;
  return el(
    'div',
    { className: 'scroll' },
    el(
      'table',
      {},
      el(
        'thead',
        {},
        el('tr', {}, ...['When', 'Route', 'How it went', 'What', 'Alerts'].map((head) => el('th', {}, head))),
      ),
      el(
        'tbody',
        {},
        ...found.map(({ created_ts, channel_name, state, error, tries, subject, alerts, devices }) =>
          el(
            'tr',
            {},
            el('td', {}, moment(created_ts)),
            el('td', {}, seen(channel_name)),
            el(
              'td',
              {},
              el('span', { className: `sign ${signs[state]}` }, state),
              el('small', {}, `${tries > 1 ? ` after ${tries} tries` : ''} ${seen(error ?? '')}`),
            ),
            el('td', {}, seen(subject)),
            el('td', {}, `${alerts} on ${devices}`),
          ),
        ),
      ),
    ),
  );
}
