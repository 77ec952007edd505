import type { Change, Whole } from '../answers.ts';
import { button, el } from '#addon/web/dom';
import type { Key, Schema } from '../keys.ts';

interface Field {
  readonly key: () => string;
  readonly value: () => string;
  readonly row: HTMLTableRowElement;
}

/** Fields for a device's own settings, drawn as the schema says what each may be. */
export class Form {
  readonly element: HTMLFormElement;
  readonly #schema: Schema;
  readonly #before: Whole['own']['values'];
  readonly #rows = el('tbody');
  readonly #names = el('datalist', { id: 'configure-keys' });
  #fields: Field[] = [];

  constructor(schema: Schema, view: Whole, actions: { save: (send: boolean) => void; cancel: () => void }) {
    this.#schema = schema;
    this.#before = view.own.values;
    for (const [key, { title = '' }] of Object.entries(schema.properties))
      this.#names.append(el('option', { value: key }, title));
    for (const { key, value, origin } of view.effective) if (origin.kind === 'device') this.#add(key, value);
    const foot = el(
      'div',
      { className: 'configure-buttons' },
      button('Add a setting', () => this.#add('', '').querySelector('input')?.focus(), 'quiet'),
      el('span', { className: 'gap' }),
      button('Cancel', actions.cancel, 'quiet'),
      button('Save', () => actions.save(false), 'quiet'),
      el('button', { type: 'submit' }, 'Save and send'),
    );
    const head = el('tr', {}, el('th', {}, 'Key'), el('th', {}, 'Value'), el('th'));
    this.element = el(
      'form',
      {},
      el('p', {}, 'Settings of this device alone. They win over those of its groups and of the fleet.'),
      el('table', {}, el('thead', {}, head), this.#rows),
      this.#names,
      foot,
    );
    this.element.addEventListener('submit', (event) => {
      event.preventDefault();
      actions.save(true);
    });
  }

  /** Adds a field, such as for a key that the device has from elsewhere. */
  add(key: string, value: string): void {
    this.#add(key, value);
  }

  get empty(): boolean {
    return this.#fields.length === 0;
  }

  /** What to change; rows without a key are not meant. Throws for two of the same key. */
  change(): Change {
    const values = this.#fields.map(({ key, value }) => [key().trim(), value()] as const).filter(([key]) => key !== '');
    const keys = values.map(([key]) => key);
    const twice = keys.find((key, at) => keys.indexOf(key) !== at);
    if (twice !== undefined) throw new Error(`${twice} is there twice`);
    return {
      set: Object.fromEntries(values),
      unset: Object.keys(this.#before).filter((key) => !keys.includes(key)),
    };
  }

  #add(key: string, value: string): HTMLTableRowElement {
    const name = el('input', { value: key, maxLength: 4096, ariaLabel: 'Key', spellcheck: false });
    name.setAttribute('list', this.#names.id);
    const place = el('td');
    let control = controlFor(this.#keyOf(key), value);
    place.append(...control.parts);
    name.addEventListener('change', () => {
      control = controlFor(this.#keyOf(name.value.trim()), control.value());
      place.replaceChildren(...control.parts);
    });
    const remove = button('Remove', () => {
      row.remove();
      this.#fields = this.#fields.filter((field) => field.row !== row);
    });
    remove.className = 'quiet';
    const row = el('tr', {}, el('td', {}, name), place, el('td', {}, remove));
    this.#fields.push({ key: () => name.value, value: () => control.value(), row });
    this.#rows.append(row);
    return row;
  }

  #keyOf(key: string): Key {
    return Object.hasOwn(this.#schema.properties, key) ? (this.#schema.properties[key] ?? {}) : {};
  }
}

interface Control {
  readonly parts: readonly Node[];
  readonly value: () => string;
}

function controlFor(key: Key, value: string): Control {
  const hint = el('small', {}, [key.title, key.description].filter(Boolean).join(': '));
  const choices = key.enum ?? (key.type === 'boolean' ? ['true', 'false'] : undefined);
  if (choices) {
    // A value from before there was a schema is shown as it is.
    const offered = value === '' || choices.includes(value) ? choices : [value, ...choices];
    const select = el('select', { ariaLabel: 'Value' }, ...offered.map((each) => el('option', { value: each }, each)));
    if (value !== '') select.value = value;
    return { parts: [select, hint], value: () => select.value };
  }
  const input = el('input', { value, ariaLabel: 'Value', spellcheck: false, maxLength: key.maxLength ?? 4096 });
  if (key.writeOnly) Object.assign(input, { type: 'password', autocomplete: 'new-password' });
  else if (key.type === 'integer' || key.type === 'number') {
    Object.assign(input, { type: 'number', step: key.type === 'integer' ? '1' : 'any' });
    if (key.minimum !== undefined) input.min = String(key.minimum);
    if (key.maximum !== undefined) input.max = String(key.maximum);
  } else if (key.pattern !== undefined) input.title = `must match ${key.pattern}`;
  input.placeholder = key.examples?.[0] ?? '';
  return { parts: [input, hint], value: () => input.value };
}
