import type { PageHost } from '#addon/web';
import { button, el, moment } from '#addon/web/dom';
import type { Given, Revision, Sent } from '../answers.ts';
import type { Schema } from '../keys.ts';
import { type Api, groupPath, messageOf, type PlacePath, Refused } from './api.ts';
import { DifferingList } from './differing.ts';
import { Form } from './form.ts';
import { givenTable, historyList } from './tables.ts';

/** What is given for all devices or for a group, who has something else, and how it came to be. */
export class PlaceView {
  readonly element: HTMLElement;
  readonly #host: PageHost;
  readonly #api: Api;
  readonly #select = el('select', { ariaLabel: 'Settings of' });
  readonly #buttons = el('div', { className: 'buttons' });
  readonly #body = el('div');
  /** Empty: all devices. */
  #group: string;
  /** To some groups: all devices are not for this person. */
  #confined = false;
  #form: Form | undefined;
  #closed = false;

  constructor(host: PageHost, api: Api) {
    this.#host = host;
    this.#api = api;
    this.#group = host.query['group'] ?? '';
    this.#select.addEventListener('change', () => this.#go(this.#select.value));
    const head = el(
      'header',
      {},
      el('span', {}, 'Settings of'),
      this.#select,
      el('span', { className: 'gap' }),
      this.#buttons,
    );
    this.element = el('div', {}, head, this.#body);
  }

  close(): void {
    this.#closed = true;
  }

  async show(): Promise<void> {
    const group = this.#group;
    const isOver = (): boolean => this.#closed || group !== this.#group || this.#form !== undefined;
    const groups = (await this.#api.groups().catch(() => [])).map(({ name }) => name);
    try {
      const [schema, given, history] = await Promise.all([
        this.#api.schema(),
        this.#api.given(this.#place),
        this.#api.history(this.#place),
      ]);
      if (isOver()) return;
      this.#offer(groups);
      this.#draw(given, history, schema);
    } catch (error) {
      if (isOver()) return;
      const [first] = groups;
      if (group === '' && error instanceof Refused && error.status === 403 && first !== undefined) {
        this.#confined = true;
        this.#go(first);
        return;
      }
      this.#offer(groups);
      this.#buttons.replaceChildren();
      this.#body.replaceChildren(el('p', { className: 'problem' }, messageOf(error)));
    }
  }

  get #place(): PlacePath {
    return this.#group === '' ? 'fleet' : groupPath(this.#group);
  }

  #offer(groups: readonly string[]): void {
    const names = this.#group === '' || groups.includes(this.#group) ? groups : [...groups, this.#group];
    this.#select.replaceChildren(
      ...(this.#confined ? [] : [el('option', { value: '' }, 'all devices')]),
      ...names.map((name) => el('option', { value: name }, `group ${name}`)),
    );
    this.#select.value = this.#group;
  }

  #go(group: string): void {
    this.#group = group;
    this.#form = undefined;
    this.#host.keep(group === '' ? {} : { group });
    void this.show();
  }

  #draw(given: Given, history: readonly Revision[], schema: Schema): void {
    const differing = new DifferingList(this.#host, this.#api, this.#group);
    this.#buttons.replaceChildren(
      button('Change', () => this.#edit(given, schema)),
      button('Send', () => void this.#send(), 'quiet'),
    );
    const { revision, updated_ts: ts, updated_by: by, priority } = given;
    const words = [
      ...(priority === undefined ? [] : [`Priority ${priority}. `]),
      ...(ts === undefined ? [] : [`Revision ${revision}, `, moment(ts), by ? ` by ${by}` : '', '.']),
    ];
    this.#body.replaceChildren(
      givenTable(given, schema),
      el('p', { className: 'foot' }, el('small', {}, ...words)),
      differing.element,
      el('h3', {}, 'History'),
      historyList(history, (to) => void this.#revert(to)),
    );
    void differing.more();
  }

  #edit(given: Given, schema: Schema): void {
    const form = new Form({
      schema,
      values: given.values,
      lead:
        this.#group === ''
          ? 'Settings of all devices. Those of a group, and a device’s own, win over them.'
          : 'Settings of the devices of this group. They win over those of all devices; a device’s own win over them.',
      ...(given.priority === undefined ? {} : { priority: given.priority }),
      save: (send) => void this.#save(send),
      cancel: () => {
        this.#form = undefined;
        void this.show();
      },
    });
    this.#form = form;
    this.#buttons.replaceChildren();
    this.#body.replaceChildren(el('h3', {}, 'Change'), form.element);
  }

  async #save(send: boolean): Promise<void> {
    const form = this.#form;
    if (!form?.element.reportValidity()) return;
    const place = this.#place;
    try {
      await this.#api.change(place, form.change());
    } catch (error) {
      this.#host.notify(messageOf(error), 'error');
      return;
    }
    this.#form = undefined;
    if (send) await this.#send();
    else {
      this.#host.notify('Saved; not sent yet');
      await this.show();
    }
  }

  async #send(): Promise<void> {
    try {
      this.#host.notify(...told(await this.#api.send(this.#place)));
    } catch (error) {
      this.#host.notify(messageOf(error), 'error');
    }
    await this.show();
  }

  async #revert(revision: number): Promise<void> {
    try {
      await this.#api.revert(this.#place, revision);
      this.#host.notify(`The settings of revision ${revision} again; not sent yet`);
    } catch (error) {
      this.#host.notify(messageOf(error), 'error');
    }
    await this.show();
  }
}

/** What became of a sending, in words. */
function told({ sent, unchanged }: Sent): [string, 'info' | 'error'] {
  const failed = sent.filter(({ error }) => error !== undefined);
  const to = count(sent.length - failed.length);
  const [first] = failed;
  if (first) return [`Sent to ${to}; not to ${count(failed.length)}: ${first.error}`, 'error'];
  if (sent.length === 0)
    return [unchanged === 0 ? 'There are no accepted devices here' : 'Nothing to send: they have it already', 'info'];
  return [`Sent to ${to}${unchanged > 0 ? `; ${count(unchanged)} had it already` : ''}`, 'info'];
}

const count = (devices: number): string => (devices === 1 ? 'one device' : `${devices} devices`);
