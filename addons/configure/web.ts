import { defineWeb, type WebHost } from '#addon/web';
import { stateWords, type Revision, type Whole } from './answers.ts';
import { Api } from './web/api.ts';
import { button, el, moment } from '#addon/web/dom';
import { Form } from './web/form.ts';
import type { Schema } from './keys.ts';
import manifest from './manifest.ts';
import { sheet } from './web/sheet.ts';
import { historyList, settingsTable } from './web/tables.ts';

/** ms between two looks while something is on its way, and while nothing is. */
const soon = 2000;
const later = 15_000;

/** What a device is to have, what it has, and how that came to be; changed, sent and taken back. */
export default defineWeb(manifest, {
  title: 'Configuration',
  mount(element, host) {
    const page = new Page(host);
    element.append(page.element);
    void page.run();
    return () => page.close();
  },
});

class Page {
  readonly element = el('div', { className: 'configure-addon' });
  readonly #host: WebHost<typeof manifest>;
  readonly #api: Api;
  readonly #body = el('div');
  #form: Form | undefined;
  #timer: ReturnType<typeof setTimeout> | undefined;
  #closed = false;

  constructor(host: WebHost<typeof manifest>) {
    this.#host = host;
    this.#api = new Api(host);
    this.element.append(el('style', {}, sheet), this.#body);
  }

  close(): void {
    this.#closed = true;
    clearTimeout(this.#timer);
  }

  /** Looks, and looks again after a while. What somebody is typing stays. */
  async run(): Promise<void> {
    clearTimeout(this.#timer);
    let wait = later;
    try {
      const [view, history, schema] = await Promise.all([this.#api.view(), this.#api.history(), this.#api.schema()]);
      if (this.#closed) return;
      if (view.state === 'pending') wait = soon;
      if (!this.#form) this.#draw(view, history, schema);
    } catch (error) {
      if (this.#closed) return;
      if (!this.#form) this.#body.replaceChildren(el('p', { className: 'problem' }, messageOf(error)));
    }
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => void this.run(), wait);
  }

  #draw(view: Whole, history: readonly Revision[], schema: Schema): void {
    const edit = (key?: string, value = ''): void => {
      const form = new Form(schema, view, {
        save: (send) => void this.#save(send),
        cancel: () => this.#leave(),
      });
      if (key !== undefined || form.empty) form.add(key ?? '', value);
      this.#form = form;
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
        unsent && button(state === 'failed' ? 'Send again' : 'Send', () => void this.#act(this.#api.deploy, 'Sent')),
      ),
      settingsTable(view, edit),
      el('h3', {}, 'History'),
      historyList(
        history,
        (revision) => void this.#act(() => this.#api.revert(revision), `The settings of revision ${revision} again`),
      ),
    );
  }

  async #save(send: boolean): Promise<void> {
    const form = this.#form;
    if (!form || (form.element.reportValidity && !form.element.reportValidity())) return;
    await this.#act(
      async () => {
        await this.#api.change(form.change());
        this.#form = undefined;
        if (send) await this.#api.deploy();
      },
      send ? 'Saved and sent' : 'Saved; not sent yet',
    );
  }

  #leave(): void {
    this.#form = undefined;
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

const messageOf = (error: unknown): string => (error instanceof Error ? error.message : String(error));
