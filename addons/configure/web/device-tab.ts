import type { WebHost } from '#addon/web';
import { button, el, moment } from '#addon/web/dom';
import { stateWords, type Revision, type Whole } from '../answers.ts';
import type { Schema } from '../keys.ts';
import { Api, devicePath, messageOf, type PlacePath } from './api.ts';
import { Form } from './form.ts';
import { sheet } from './sheet.ts';
import { historyList, settingsTable } from './tables.ts';

/** No sessions: it speaks with the server alone. */
type Host = Omit<WebHost, 'openSession'>;

/** ms between two looks while something is on its way, and while nothing is. */
const soon = 2000;
const later = 15_000;

/** What one device is to have and has; changed, sent and taken back. */
export class DeviceTab {
  readonly element = el('div', { className: 'configure-addon' });
  readonly #host: Host;
  readonly #api: Api;
  readonly #body = el('div');
  readonly #deaf: () => void;
  #form: Form | undefined;
  /** What is on the screen, unless it is a form. */
  #shown = '';
  #timer: ReturnType<typeof setTimeout> | undefined;
  #closed = false;

  constructor(host: Host) {
    this.#host = host;
    this.#api = new Api(host);
    this.element.append(el('style', {}, sheet), this.#body);
    this.#deaf = host.onChanged(() => void this.run());
  }

  get #id(): string {
    return this.#host.device.id;
  }
  get #place(): PlacePath {
    return devicePath(this.#id);
  }

  close(): void {
    this.#closed = true;
    this.#deaf();
    clearTimeout(this.#timer);
  }

  /** Looks, and looks again after a while. What somebody is typing stays. */
  async run(): Promise<void> {
    clearTimeout(this.#timer);
    let wait = later;
    try {
      const [view, history, schema] = await Promise.all([
        this.#api.device(this.#id),
        this.#api.history(this.#place),
        this.#api.schema(),
      ]);
      if (this.#closed) return;
      if (view.state === 'pending') wait = soon;
      const content = JSON.stringify([view, history, schema]);
      // Drawn anew, what somebody is about to press would lose the focus.
      if (!this.#form && content !== this.#shown) this.#draw(view, history, schema);
      this.#shown = content;
    } catch (error) {
      if (this.#closed) return;
      this.#shown = '';
      if (!this.#form) this.#body.replaceChildren(el('p', { className: 'problem' }, messageOf(error)));
    }
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => void this.run(), wait);
  }

  #draw(view: Whole, history: readonly Revision[], schema: Schema): void {
    const edit = (key?: string, value = ''): void => {
      const form = new Form({
        schema,
        values: view.own.values,
        lead: 'Settings of this device alone. They win over those of its groups and of the fleet.',
        save: (send) => void this.#save(send),
        cancel: () => this.#leave(),
      });
      if (key !== undefined) form.add(key, value);
      this.#form = form;
      this.#shown = '';
      this.#body.replaceChildren(el('h3', {}, 'Change'), form.element);
    };
    const { state, deployment_id: deployment, reported_ts: reported } = view;
    const unsent = state === 'changed' || state === 'failed' || state === 'drifted';
    this.#body.replaceChildren(
      el(
        'header',
        {},
        el('span', { className: `state ${state}` }, state === 'none' ? 'nothing given' : state),
        el(
          'div',
          {},
          el('span', {}, `${stateWords[state].charAt(0).toUpperCase()}${stateWords[state].slice(1)}.`),
          el('small', {}, ...(reported === undefined ? ['It never reported any.'] : ['Reported ', moment(reported)])),
        ),
        el('span', { className: 'gap' }),
        deployment !== undefined &&
          el('a', { href: `/deployments/${deployment}` }, state === 'failed' ? 'See why' : 'Last sending'),
        button('Change', () => edit(), unsent ? 'quiet' : ''),
        unsent &&
          button(
            state === 'failed' ? 'Send again' : 'Send',
            () => void this.#act(() => this.#api.sendTo(this.#id), 'Sent'),
          ),
      ),
      settingsTable(view, edit),
      el('h3', {}, 'History'),
      historyList(
        history,
        (revision) =>
          void this.#act(() => this.#api.revert(this.#place, revision), `The settings of revision ${revision} again`),
      ),
    );
  }

  async #save(send: boolean): Promise<void> {
    const form = this.#form;
    if (!form?.element.reportValidity()) return;
    await this.#act(
      async () => {
        await this.#api.change(this.#place, form.change());
        this.#form = undefined;
        this.#shown = '';
        if (send) await this.#api.sendTo(this.#id);
      },
      send ? 'Saved and sent' : 'Saved; not sent yet',
    );
  }

  #leave(): void {
    this.#form = undefined;
    this.#shown = '';
    void this.run();
  }

  async #act(work: () => Promise<unknown>, done: string): Promise<void> {
    try {
      await work();
      this.#host.notify(done);
    } catch (error) {
      this.#host.notify(messageOf(error), 'error');
    }
    await this.run();
  }
}
