import { button, el } from '#addon/web/dom';
import type { WebHost } from '#addon/web';
import type { Kept, Standing } from '../answers.ts';
import { rankOf } from '../words.ts';
import { Acts } from './acts.ts';
import { AlertRows, type AlertLine, lineOf } from './alert-rows.ts';
import { Api, messageOf } from './api.ts';
import { DeviceChecksView } from './device-checks.ts';
import { History } from './history.ts';
import { Repeater } from './repeater.ts';
import { sheet } from './sheet.ts';
import { gap, line } from './signs.ts';

/** No sessions: it speaks with the server alone. */
type Host = Omit<WebHost, 'openSession'>;

/** How a device is: its checks now, what it is asked to watch, and what there was. */
export class Tab {
  readonly element = el('div', { className: 'monitor-addon monitor-tab' });
  readonly #api: Api;
  readonly #acts: Acts;
  readonly #host: Host;
  readonly #rows: AlertRows;
  readonly #checks: DeviceChecksView;
  readonly #history: History;
  readonly #head = el('div');
  readonly #repeater: Repeater;
  readonly #deaf: () => void;

  constructor(host: Host) {
    const { id } = host.device;
    this.#host = host;
    this.#api = new Api(host);
    this.#repeater = new Repeater(() => this.#show(), 500, 30_000);
    this.#acts = new Acts(host, this.#api, this.element, () => this.#repeater.ask());
    this.#rows = new AlertRows('Checks of the device', this.#api, this.#acts);
    this.#checks = new DeviceChecksView(host, this.#api, id);
    this.#history = new History(this.#api, id);
    this.element.append(
      el('style', {}, sheet),
      this.#head,
      this.#rows.element,
      this.#checks.element,
      this.#history.element,
    );
    this.#deaf = host.onChanged(() => this.#repeater.ask());
    this.#repeater.ask();
  }

  close(): void {
    this.#deaf();
    this.#repeater.close();
  }

  async #show(): Promise<void> {
    const { id } = this.#host.device;
    await Promise.all([this.#showNow(id), this.#checks.show(), this.#history.show()]);
  }

  async #showNow(id: string): Promise<void> {
    try {
      const [latest, standing] = await Promise.all([
        this.#api.latest(id),
        this.#api.standing({ device: id, per_page: 500 }),
      ]);
      this.#head.replaceChildren(this.#headOf(standing.found, latest.total));
      this.#rows.show(linesOf(latest.found, standing.found));
    } catch (error) {
      this.#head.replaceChildren(el('p', { className: 'problem' }, messageOf(error)));
    }
  }

  #headOf(standing: readonly Standing[], checks: number): HTMLElement {
    const { id: device } = this.#host.device;
    const open = standing.filter(({ acknowledged }) => !acknowledged);
    const bad = standing.length;
    const words =
      bad > 0
        ? `${bad} check${bad === 1 ? ' is' : 's are'} not OK`
        : checks > 0
          ? 'All well'
          : 'It has raised no alerts';
    return line(
      el('h3', {}, words),
      gap(),
      this.#acts.may && open.length > 1 && button('Acknowledge all', () => void this.#acts.acknowledge(open), 'quiet'),
      this.#acts.may &&
        button('Silence device', () => void this.#acts.silence([['all checks of this device', [{ device }]]]), 'quiet'),
    );
  }
}

/** The worst first, then what changed last. */
function linesOf(latest: readonly Kept[], standing: readonly Standing[]): AlertLine[] {
  const bad = new Set(standing.map(({ alert_id }) => alert_id));
  const well = latest
    .filter(({ id, level }) => level === 'OK' && !bad.has(id))
    .map(({ id, device_id, check, name, level, timestamp, subject }): AlertLine => ({
      device_id,
      alert_id: id,
      check: check ?? name,
      name,
      level,
      since: timestamp,
      subject,
    }));
  return [...standing.map(lineOf), ...well].sort(
    (a, b) => rankOf(a.level) - rankOf(b.level) || Date.parse(b.since) - Date.parse(a.since),
  );
}
