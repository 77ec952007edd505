import type { PageHost } from '#addon/web';
import { el } from '#addon/web/dom';
import { Api } from './api.ts';
import { PlaceView } from './place-view.ts';
import { SchemaView } from './schema-view.ts';
import { sheet } from './sheet.ts';

/** Settings of all devices and of groups, and, for whoever may say it, which there may be. */
export class SettingsPage {
  readonly element = el('div', { className: 'configure-addon configure-page' });
  readonly #place: PlaceView;
  readonly #schema: SchemaView | undefined;

  constructor(host: PageHost) {
    const api = new Api(host);
    this.#place = new PlaceView(host, api);
    this.#schema = host.may('settings:manage') ? new SchemaView(host, api) : undefined;
    this.element.append(el('style', {}, sheet), this.#place.element);
    if (this.#schema) this.element.append(this.#schema.element);
  }

  async run(): Promise<void> {
    await Promise.all([this.#place.show(), this.#schema?.show()]);
  }

  close(): void {
    this.#place.close();
  }
}
