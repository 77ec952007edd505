import { el } from '#addon/web/dom';
import type { Check } from '../check.ts';
import { checkTypes, type Field, fieldsOf, isCheckType, valueOf } from '../check-fields.ts';
import { ask } from './dialog.ts';
import { choice, field } from './signs.ts';

/** Asks for a check, with fields as the schema of its type has them; `save` throws what is wrong with it. */
export async function askCheck(
  parent: HTMLElement,
  before: Check | undefined,
  save: (check: Check) => Promise<unknown>,
): Promise<boolean> {
  const types = [...checkTypes.keys()];
  const type = choice(
    'Type',
    types.map((one) => [one, one] as const),
    before?.type ?? 'service',
  );
  const name = el('input', {
    value: before?.name ?? '',
    required: true,
    maxLength: 128,
    pattern: '[A-Za-z0-9][A-Za-z0-9_.@:\\-]*',
    title: 'letters, digits and _ . @ : -',
    spellcheck: false,
    ariaLabel: 'Name',
  });
  type.disabled = name.disabled = before !== undefined;
  const place = el('div', { className: 'two' });
  let controls: (readonly [Field, HTMLInputElement | HTMLSelectElement])[] = [];
  const draw = (): void => {
    controls = fieldsOf(type.value as Check['type']).map((one) => [one, controlFor(one, valueIn(before, one.name))]);
    place.replaceChildren(
      ...controls.map(([one, control]) => field(`${one.name}${one.required ? '' : ' (optional)'}`, control, one.hint)),
    );
  };
  type.addEventListener('change', draw);
  draw();
  return await ask(
    parent,
    before ? `Change ${before.type}_${before.name}` : 'Add a check',
    [el('div', { className: 'two' }, field('Type', type), field('Name', name)), place],
    before ? 'Save' : 'Add',
    async () => {
      if (!isCheckType(type.value)) return;
      const given = controls.flatMap(([one, { value }]) =>
        value.trim() === '' ? [] : [[one.name, valueOf(one, value.trim())] as const],
      );
      await save({ type: type.value, name: name.value.trim(), ...Object.fromEntries(given) } as Check);
    },
  );
}

function valueIn(check: Check | undefined, name: string): string {
  const values = (check ?? {}) as Readonly<Record<string, string | number | string[] | undefined>>;
  const value = values[name] ?? '';
  return Array.isArray(value) ? value.join(' ') : String(value);
}

function controlFor(
  { name, kind, required, choices, minimum, maximum, maxLength }: Field,
  value: string,
): HTMLInputElement | HTMLSelectElement {
  if (choices)
    return choice(
      name,
      [...(required ? [] : [['', '–'] as const]), ...choices.map((one) => [one, one] as const)],
      value,
    );
  const input = el('input', { value, required, ariaLabel: name, spellcheck: false });
  if (kind === 'integer' || kind === 'number') {
    Object.assign(input, { type: 'number', step: kind === 'integer' ? '1' : 'any' });
    if (minimum !== undefined) input.min = String(minimum);
    if (maximum !== undefined) input.max = String(maximum);
  } else if (maxLength !== undefined) input.maxLength = maxLength;
  return input;
}
