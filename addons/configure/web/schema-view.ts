import type { PageHost } from '#addon/web';
import { button, el } from '#addon/web/dom';
import { type Api, messageOf } from './api.ts';

/** What settings there may be, as JSON Schema: the forms are drawn from it, and what does not fit is refused. */
export class SchemaView {
  readonly element: HTMLElement;
  readonly #host: PageHost;
  readonly #api: Api;
  readonly #text = el('textarea', { rows: 14, spellcheck: false, ariaLabel: 'JSON Schema of the settings' });
  readonly #problem = el('p', { className: 'problem', hidden: true, role: 'alert' });

  constructor(host: PageHost, api: Api) {
    this.#host = host;
    this.#api = api;
    this.element = el(
      'details',
      {},
      el('summary', {}, 'What settings there may be'),
      el(
        'p',
        {},
        'A JSON Schema, one property a key: type, title, description, enum, pattern, minLength, maxLength, minimum, maximum, examples; ',
        el('code', {}, '"writeOnly": true'),
        ' marks a secret, ',
        el('code', {}, '"additionalProperties": false'),
        ' allows no other keys. What is given already stays until somebody changes it.',
      ),
      this.#text,
      this.#problem,
      el(
        'div',
        { className: 'configure-buttons' },
        button('Save the schema', () => void this.#save()),
      ),
    );
  }

  async show(): Promise<void> {
    try {
      this.#text.value = JSON.stringify(await this.#api.schema(), null, 2);
    } catch (error) {
      this.#complain(messageOf(error));
    }
  }

  async #save(): Promise<void> {
    let schema: unknown;
    try {
      schema = JSON.parse(this.#text.value);
    } catch (error) {
      this.#complain(`This is no JSON: ${messageOf(error)}`);
      return;
    }
    try {
      await this.#api.setSchema(schema);
    } catch (error) {
      this.#complain(messageOf(error));
      return;
    }
    this.#problem.hidden = true;
    this.#host.notify('Saved: forms and checks go by it from now on');
  }

  #complain(words: string): void {
    this.#problem.textContent = words;
    this.#problem.hidden = false;
  }
}
