import type { Change } from '../answers.ts';
import { button, el } from '#addon/web/dom';
import type { Key, Schema } from '../keys.ts';
import { type Values, valueOf } from '../values.ts';

/** The others are found by typing. */
const offerLimit = 24;

interface Field {
  readonly key: () => string;
  readonly value: () => string;
  readonly row: HTMLTableRowElement;
}

export interface FormParts {
  readonly schema: Schema;
  /** As they are now, secrets masked. */
  readonly values: Values;
  /** What they are and whom they beat, for a person. */
  readonly lead: string;
  /** Of a group. */
  readonly priority?: number | undefined;
  readonly save: (send: boolean) => void;
  readonly cancel: () => void;
}

/** Fields for what is given in one place, drawn as the schema says what each may be. */
export class Form {
  readonly element: HTMLFormElement;
  readonly #schema: Schema;
  readonly #before: Values;
  readonly #priority: HTMLInputElement | undefined;
  readonly #rows = el('tbody');
  readonly #names = el('datalist', { id: 'configure-keys' });
  readonly #offers = el('div', { className: 'offers' });
  #fields: Field[] = [];

  constructor({ schema, values, lead, priority, save, cancel }: FormParts) {
    this.#schema = schema;
    this.#before = values;
    for (const [key, { title = '' }] of Object.entries(schema.properties))
      this.#names.append(el('option', { value: key }, title));
    for (const [key, value] of Object.entries(values).sort(([a], [b]) => (a < b ? -1 : 1))) this.#add(key, value);
    if (priority !== undefined)
      this.#priority = el('input', { type: 'number', min: '-1000', max: '1000', step: '1', value: String(priority) });
    const foot = el(
      'div',
      { className: 'configure-buttons' },
      button('Add a setting', () => this.#add('', '').querySelector('input')?.focus(), 'quiet'),
      el('span', { className: 'gap' }),
      button('Cancel', cancel, 'quiet'),
      button('Save', () => save(false), 'quiet'),
      el('button', { type: 'submit' }, 'Save and send'),
    );
    const head = el('tr', {}, el('th', {}, 'Key'), el('th', {}, 'Value'), el('th'));
    this.element = el(
      'form',
      {},
      el('p', {}, lead),
      el('table', {}, el('thead', {}, head), this.#rows),
      this.#offers,
      this.#names,
      this.#priority &&
        el(
          'label',
          { className: 'priority' },
          'Priority',
          this.#priority,
          el('small', {}, 'Of two groups that give the same key the one with the higher priority wins.'),
        ),
      foot,
    );
    this.#offer();
    this.element.addEventListener('submit', (event) => {
      event.preventDefault();
      save(true);
    });
  }

  /** Adds a field, such as for a key that the device has from elsewhere. */
  add(key: string, value: string): void {
    this.#add(key, value);
    this.#offer();
  }

  /** What to change; rows without a key are not meant. Throws for two of the same key. */
  change(): Change {
    const values = this.#fields.map(({ key, value }) => [key().trim(), value()] as const).filter(([key]) => key !== '');
    const keys = values.map(([key]) => key);
    const twice = keys.find((key, at) => keys.indexOf(key) !== at);
    if (twice !== undefined) throw new Error(`${twice} is there twice`);
    return {
      // What was left as it is may be changed by somebody else meanwhile.
      set: Object.fromEntries(values.filter(([key, value]) => valueOf(this.#before, key) !== value)),
      unset: Object.keys(this.#before).filter((key) => !keys.includes(key)),
      ...(this.#priority ? { priority: Number(this.#priority.value) } : {}),
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
      this.#offer();
    });
    const remove = button('Remove', () => {
      row.remove();
      this.#fields = this.#fields.filter((field) => field.row !== row);
      this.#offer();
    });
    remove.className = 'quiet';
    const row = el('tr', {}, el('td', {}, name), place, el('td', {}, remove));
    this.#fields.push({ key: () => name.value, value: () => control.value(), row });
    this.#rows.append(row);
    return row;
  }

  /** Settings that there may be and that are not here yet, each a press away. */
  #offer(): void {
    const here = new Set(this.#fields.map(({ key }) => key().trim()));
    const offered = Object.entries(this.#schema.properties).filter(([key]) => !here.has(key));
    const buttons = offered.slice(0, offerLimit).map(([key, { title = key }]) => {
      const made = button(
        `+ ${title}`,
        () => {
          this.#add(key, '').querySelector<HTMLElement>('td:nth-child(2) :is(input, select)')?.focus();
          this.#offer();
        },
        'quiet',
      );
      made.title = key;
      return made;
    });
    this.#offers.replaceChildren(...buttons);
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
