import type { FilterTerm, InventoryScope } from '#proto/http/devices';

export const scopes = ['inventory', 'identity', 'tags', 'system', 'monitor'] as const satisfies InventoryScope[];

/** What one can ask of an attribute, in words. */
export const questions = [
  { type: '$eq', label: 'is' },
  { type: '$ne', label: 'is not' },
  { type: '$in', label: 'is one of' },
  { type: '$nin', label: 'is none of' },
  { type: '$gt', label: 'is more than' },
  { type: '$gte', label: 'is at least' },
  { type: '$lt', label: 'is less than' },
  { type: '$lte', label: 'is at most' },
  { type: '$regex', label: 'matches' },
  { type: '$exists', label: 'is there' },
] as const satisfies { type: FilterTerm['type']; label: string }[];

/** A term as it stands in a form: its value is text. */
export interface Draft {
  readonly scope: InventoryScope;
  readonly attribute: string;
  readonly type: FilterTerm['type'];
  readonly text: string;
}

export const noTerm: Draft = { scope: 'inventory', attribute: '', type: '$eq', text: '' };

const isList = (type: FilterTerm['type']) => type === '$in' || type === '$nin';
const compares = (type: FilterTerm['type']) => /^\$[gl]te?$/.test(type);

/** A device says `4` or "4", as it likes: of an equal both count. Undefined: something is missing yet. */
export function termOf({ scope, attribute, type, text }: Draft): FilterTerm | undefined {
  const place = { scope, attribute: attribute.trim() };
  const value = text.trim();
  if (place.attribute === '') return undefined;
  if (type === '$exists') return { ...place, type, value: value !== 'no' };
  if (value === '') return undefined;
  const number = Number(value);
  const isNumber = Number.isFinite(number);
  if (isList(type)) {
    const words = value.split(',').map((each) => each.trim());
    const numbers = words.filter((each) => each !== '' && Number.isFinite(Number(each))).map(Number);
    return { ...place, type, value: [...words.filter((each) => each !== ''), ...numbers] };
  }
  if (compares(type)) return { ...place, type, value: isNumber ? number : value };
  if (isNumber && type === '$eq') return { ...place, type: '$in', value: [value, number] };
  if (isNumber && type === '$ne') return { ...place, type: '$nin', value: [value, number] };
  return { ...place, type, value };
}

/** A term as a form shows it. */
export function draftOf({ scope, attribute, type, value }: FilterTerm): Draft {
  if (type === '$exists') return { scope, attribute, type, text: value === false ? 'no' : '' };
  if (!Array.isArray(value)) return { scope, attribute, type, text: String(value) };
  const words = [...new Set(value.map(String))];
  // Made of one number by us, so that it is found however the device says it.
  const one = words.length === 1 && value.length === 2;
  return { scope, attribute, type: one ? (type === '$in' ? '$eq' : '$ne') : type, text: words.join(', ') };
}

/** `kernel is 5.10`, for a person. */
export function sentenceOf(term: FilterTerm): string {
  const { scope, attribute, type, text } = draftOf(term);
  const place = scope === 'inventory' ? attribute : `${scope}/${attribute}`;
  if (type === '$exists') return `${place} ${text === 'no' ? 'is not there' : 'is there'}`;
  return `${place} ${questions.find((each) => each.type === type)?.label ?? type} ${text}`;
}
