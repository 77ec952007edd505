import { button, el, moment } from '#addon/web/dom';
import type { AnyWebHost } from '#addon/web';
import type { CheckLayer, DeviceChecks } from '../answers.ts';
import type { Check, ReportedCheck } from '../check.ts';
import { idOf, localOf, originOf, reportedId, summaryOf } from '../words.ts';
import { type Api, messageOf, type PlacePath } from './api.ts';
import { askCheck } from './check-form.ts';
import { gap, line, seen } from './signs.ts';

/** What a device is asked to watch, why, and what it says of that; its own checks may be given here. */
export class DeviceChecksView {
  readonly element = el('section');
  readonly #host: Pick<AnyWebHost, 'notify' | 'may'>;
  readonly #api: Api;
  readonly #device: string;
  #shown = '';

  constructor(host: Pick<AnyWebHost, 'notify' | 'may'>, api: Api, device: string) {
    this.#host = host;
    this.#api = api;
    this.#device = device;
  }

  async show(): Promise<void> {
    try {
      const whole = await this.#api.deviceChecks(this.#device);
      const content = JSON.stringify(whole);
      if (content === this.#shown) return;
      this.#shown = content;
      this.element.replaceChildren(...this.#draw(whole));
    } catch (error) {
      this.#shown = '';
      this.element.replaceChildren(el('h3', {}, 'Checks'), el('p', { className: 'problem' }, messageOf(error)));
    }
  }

  get #place(): PlacePath {
    return `devices/${this.#device}`;
  }

  #draw(whole: DeviceChecks): HTMLElement[] {
    const may = this.#host.may('devices:configure');
    const rows = [...whole.checks.map((one) => this.#asked(one, may)), ...localOf(whole).map(local)];
    const add = may && button('Add a check', () => void this.#ask(undefined), 'quiet');
    return [
      line(el('h3', {}, 'Checks'), standOf(whole), gap(), add),
      rows.length === 0
        ? el(
            'p',
            { className: 'dim' },
            'The device is asked to watch nothing, and has not said that it watches anything.',
          )
        : el(
            'div',
            { className: 'scroll' },
            el(
              'table',
              {},
              el(
                'thead',
                {},
                el('tr', {}, ...['Check', 'What', 'From', 'On the device', ''].map((head) => el('th', {}, head))),
              ),
              el('tbody', {}, ...rows),
            ),
          ),
    ];
  }

  #asked(
    { id, check, origin, overrides, applied, refused }: DeviceChecks['checks'][number],
    may: boolean,
  ): HTMLElement {
    const beaten = overrides.map(originOf).join(', ');
    const own = origin.kind === 'device';
    const remove = own
      ? button('Remove', () => void this.#change(`${id} removed`, (layer) => without(layer, id)), 'quiet')
      : button('Not here', () => void this.#change(`${id} is not made here`, (layer) => except(layer, id)), 'quiet');
    remove.ariaLabel = own ? `Remove ${id}` : `Do not make ${id} on this device`;
    const change = button(own ? 'Change' : 'Override', () => void this.#ask(check), 'quiet');
    change.ariaLabel = own ? `Change ${id}` : `Give this device ${id} of its own`;
    return el(
      'tr',
      {},
      el('td', {}, el('code', {}, id)),
      el('td', {}, seen(summaryOf(check) || '–')),
      el('td', {}, originOf(origin), beaten === '' ? undefined : el('small', {}, ` over ${beaten}`)),
      el(
        'td',
        {},
        el(
          'span',
          { className: `sign ${applied === 'applied' ? 'good' : applied === 'refused' ? 'bad' : ''}` },
          applied === 'unknown' ? 'not reported yet' : applied,
        ),
        refused === undefined ? undefined : el('small', {}, ` ${seen(refused)}`),
      ),
      el('td', {}, may && change, may && remove),
    );
  }

  async #ask(before: Check | undefined): Promise<void> {
    const done = await askCheck(this.element, before, async (check) => {
      const layer = await this.#api.checks(this.#place);
      await this.#api.setChecks(this.#place, withCheck(layer, check));
    });
    if (done) await this.#did('Saved; the device fetches its checks by itself');
  }

  async #change(words: string, change: (layer: CheckLayer) => Parameters<Api['setChecks']>[1]): Promise<void> {
    try {
      await this.#api.setChecks(this.#place, change(await this.#api.checks(this.#place)));
      await this.#did(words);
    } catch (error) {
      this.#host.notify(messageOf(error), 'error');
    }
  }

  async #did(words: string): Promise<void> {
    this.#host.notify(words);
    await this.show();
  }
}

/** One check more in a place, or another of the same type and name. */
export const withCheck = ({ checks, without }: CheckLayer, check: Check) => ({
  checks: [...checks.filter((one) => idOf(one) !== idOf(check)), check],
  without: without.filter((id) => id !== idOf(check)),
});

export const without = ({ checks, without }: CheckLayer, id: string) => ({
  checks: checks.filter((one) => idOf(one) !== id),
  without: without.filter((one) => one !== id),
});

const except = ({ checks, without }: CheckLayer, id: string) => ({
  checks,
  without: [...without.filter((one) => one !== id), id],
});

const local = ({ name, type, status, refused }: ReportedCheck): HTMLElement =>
  el(
    'tr',
    {},
    el('td', {}, el('code', {}, seen(reportedId({ type, name })))),
    el('td', {}, seen(type)),
    el('td', {}, 'the device itself'),
    el(
      'td',
      {},
      el('span', { className: `sign ${refused === undefined ? 'good' : 'bad'}` }, seen(status)),
      refused === undefined ? undefined : el('small', {}, ` ${seen(refused)}`),
    ),
    el('td'),
  );

function standOf({ version, given_version: has, asked_ts: asked, reported_ts: reported }: DeviceChecks): HTMLElement {
  const said = reported === undefined ? ['; it has reported nothing yet'] : ['; reported ', moment(reported)];
  if (asked === undefined) return el('small', {}, 'It never asked for its checks', ...said);
  return el(
    'small',
    {},
    has === version ? 'It has the newest, asked ' : 'It has older ones, asked ',
    moment(asked),
    ...said,
  );
}
