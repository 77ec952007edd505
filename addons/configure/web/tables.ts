import { button, el, moment } from '#addon/web/dom';
import { type Given, originOf, type Revision, type Whole } from '../answers.ts';
import type { Schema } from '../keys.ts';
import type { Place } from '../layers.ts';
import { valueOf } from '../values.ts';

const heads = ['Key', 'To have', 'From', 'Reported', ''];

/** Of this add-on, in the pages. */
const page = '/addons/configure';

/** What a device is to have and why, and what it has; `override`: gives it a value of its own, undefined if one may not now. */
export function settingsTable(view: Whole, override: ((key: string, value: string) => void) | undefined): HTMLElement {
  const drift = new Map((view.drift?.keys ?? []).map((each) => [each.key, each]));
  const wanted = new Map(view.effective.map((each) => [each.key, each]));
  const keys = [...new Set([...wanted.keys(), ...Object.keys(view.reported)])].sort((a, b) => (a < b ? -1 : 1));
  if (keys.length === 0)
    return el(
      'p',
      { className: 'empty' },
      'Nothing is given for this device and it has reported nothing. Give it a setting; a device with the update module mender-configure applies it and reports back.',
    );
  const rows = keys.map((key) => {
    const setting = wanted.get(key);
    const has = valueOf(view.reported, key);
    const differs = drift.get(key);
    const beaten = (setting?.overrides ?? []).flatMap((place, at) => [at > 0 ? ', ' : '', placeLink(place)]);
    return el(
      'tr',
      { className: differs ? 'differs' : '' },
      el('td', {}, el('code', {}, key)),
      el('td', {}, setting ? el('span', { className: 'value' }, setting.value) : el('em', {}, 'not given')),
      el(
        'td',
        {},
        setting && el('span', { className: 'origin' }, placeLink(setting.origin)),
        beaten.length > 0 && el('small', {}, 'wins over ', ...beaten),
      ),
      el(
        'td',
        {},
        has === undefined ? el('em', {}, 'not reported') : el('span', { className: 'value' }, has),
        differs && el('small', {}, 'differs since ', moment(differs.since)),
      ),
      el(
        'td',
        {},
        override && setting && setting.origin.kind !== 'device'
          ? button('Override', () => override(key, setting.secret ? '' : setting.value), 'quiet')
          : '',
      ),
    );
  });
  // A narrow screen has no room for columns: there each cell says what it is.
  for (const row of rows) for (const [at, cell] of [...row.cells].entries()) cell.dataset['head'] = heads[at] ?? '';
  const head = el('tr', {}, ...heads.map((text) => el('th', {}, text)));
  return el('table', { className: 'settings' }, el('thead', {}, head), el('tbody', {}, ...rows));
}

/** Where it is given, and a way there; of a device it is here. */
const placeLink = (place: Place): Node =>
  place.kind === 'device'
    ? new Text('this device')
    : el(
        'a',
        { href: place.kind === 'group' ? `${page}?group=${encodeURIComponent(place.name)}` : page },
        originOf(place),
      );

/** What is given for the fleet or for a group. */
export function givenTable({ values }: Given, schema: Schema): HTMLElement {
  const keys = Object.keys(values).sort();
  if (keys.length === 0) return el('p', { className: 'empty' }, 'No settings are given here.');
  const rows = keys.map((key) => {
    const title = Object.hasOwn(schema.properties, key) ? schema.properties[key]?.title : undefined;
    return el(
      'tr',
      {},
      el('td', {}, el('code', {}, key), title !== undefined && el('small', {}, title)),
      el('td', {}, el('span', { className: 'value' }, valueOf(values, key) ?? '')),
    );
  });
  return el(
    'table',
    { className: 'given' },
    el('thead', {}, el('tr', {}, el('th', {}, 'Key'), el('th', {}, 'Value'))),
    el('tbody', {}, ...rows),
  );
}

/** Who changed what and when; the first is as it is now. */
export function historyList(revisions: readonly Revision[], revert: (revision: number) => void): HTMLElement {
  if (revisions.length === 0) return el('p', { className: 'empty' }, 'Nothing was ever set here.');
  const items = revisions.map(({ revision, ts, by, reverts, changes }, at) =>
    el(
      'li',
      {},
      el(
        'div',
        { className: 'revision' },
        el('strong', {}, `${revision}`),
        moment(ts),
        el('span', {}, by || 'unknown'),
        reverts === undefined ? '' : el('span', {}, `back to ${reverts}`),
        el('span', { className: 'gap' }),
        at === 0 ? '' : button(`Back to ${revision}`, () => revert(revision), 'quiet'),
      ),
      ...(changes ?? []).flatMap(({ key, before, after }) => [
        before === undefined ? undefined : el('code', { className: 'gone' }, `− ${key} = ${before}`),
        after === undefined ? undefined : el('code', { className: 'come' }, `+ ${key} = ${after}`),
      ]),
    ),
  );
  return el('ol', {}, ...items);
}
