import { el } from '#addon/web/dom';
import type { PageHost } from '#addon/web';
import { AlertsView } from './alerts-view.ts';
import { Api } from './api.ts';
import { NotificationsView } from './notifications-view.ts';
import { PlacesView } from './places-view.ts';
import { Repeater } from './repeater.ts';
import { sheet } from './sheet.ts';
import { SilencesView } from './silences-view.ts';
import type { Shared, View } from './view.ts';

/** Of all devices what is not OK, and what is done about it; silences, shared checks and who is told. */
export class OnCall {
  readonly element = el('div', { className: 'monitor-addon' });
  readonly #place = el('div', { role: 'tabpanel' });
  readonly #tabs: ReadonlyMap<string, HTMLButtonElement>;
  readonly #repeater: Repeater;
  readonly #deaf: () => void;
  readonly #shared: Shared;
  #query: Readonly<Record<string, string>>;
  #view: View | undefined;

  constructor(host: PageHost) {
    this.#query = host.query;
    this.#repeater = new Repeater(async () => await this.#view?.show(), 500, 30_000);
    const read = (): Readonly<Record<string, string>> => this.#query;
    this.#shared = {
      host,
      api: new Api(host),
      element: this.element,
      again: () => this.#repeater.ask(),
      get query() {
        return read();
      },
      keep: (change) => {
        const kept = Object.entries({ ...this.#query, ...change }).filter(([, value]) => value !== '');
        this.#query = Object.fromEntries(kept);
        host.keep(this.#query);
      },
    };
    const views = [
      ['alerts', 'Alerts', true],
      ['silences', 'Silences', true],
      ['checks', 'Checks', host.may('devices:configure')],
      ['notifications', 'Notifications', host.may('settings:manage')],
    ] as const;
    this.#tabs = new Map(
      views.filter(([, , may]) => may).map(([name, text]) => [name, this.#tab(name, text)] as const),
    );
    this.element.append(
      el('style', {}, sheet),
      el('div', { className: 'views', role: 'tablist', ariaLabel: 'On call' }, ...this.#tabs.values()),
      this.#place,
    );
    this.#deaf = host.onChanged(() => this.#repeater.ask());
    this.#open(this.#query['view'] ?? 'alerts');
  }

  close(): void {
    this.#deaf();
    this.#repeater.close();
  }

  #tab(name: string, text: string): HTMLButtonElement {
    const made = el('button', { type: 'button', role: 'tab' }, text);
    made.addEventListener('click', () => {
      this.#query = {};
      this.#shared.keep({ view: name === 'alerts' ? '' : name });
      this.#open(name);
    });
    // As tabs are gone through elsewhere: one stop, then the arrows.
    made.addEventListener('keydown', ({ key }) => {
      const step = key === 'ArrowRight' ? 1 : key === 'ArrowLeft' ? -1 : 0;
      const all = [...this.#tabs.values()];
      if (step !== 0) all.at((all.indexOf(made) + step) % all.length)?.focus();
    });
    return made;
  }

  #open(wanted: string): void {
    const name = this.#tabs.has(wanted) ? wanted : 'alerts';
    for (const [each, tab] of this.#tabs) {
      tab.ariaSelected = String(each === name);
      tab.tabIndex = each === name ? 0 : -1;
    }
    this.#view = viewOf(name, this.#shared);
    this.#place.ariaLabel = this.#tabs.get(name)?.textContent ?? null;
    this.#place.replaceChildren(this.#view.element);
    this.#repeater.ask();
  }
}

function viewOf(name: string, shared: Shared): View {
  if (name === 'silences') return new SilencesView(shared);
  if (name === 'checks') return new PlacesView(shared);
  if (name === 'notifications') return new NotificationsView(shared);
  return new AlertsView(shared);
}
