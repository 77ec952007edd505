import type { TSchema } from 'typebox';
import { Check } from './check.ts';

/** One thing that a check of a type may be told, as its schema says; for those who ask people for it. */
export interface Field {
  readonly name: string;
  readonly kind: 'text' | 'number' | 'integer' | 'choice' | 'list';
  readonly required: boolean;
  readonly choices?: readonly string[];
  readonly minimum?: number;
  readonly maximum?: number;
  readonly maxLength?: number;
  /** What it means, for a person. */
  readonly hint: string;
}

const hints: Readonly<Record<string, string>> = {
  level: 'of the alert; CRITICAL if left out',
  every: 'seconds between two looks; 30 if left out',
  unit: 'the unit; the name if left out',
  kind: 'of the service',
  pattern: 'regular expression (RE2)',
  file: 'path of the file',
  journal: 'unit whose journal is read; * for all of it',
  expires: 'seconds without a match until it is well again',
  watch: 'match rule, as for dbus-monitor',
  path: 'of the file system',
  percent: 'used, from which on it is bad',
  load: 'of five minutes, per processor, from which on it is bad',
  sensor: 'type of the thermal zone; the hottest if left out',
  celsius: 'from which on it is bad',
  host: 'name or address',
  port: 'TCP port',
  timeout: 'seconds',
  url: 'http:// or https://',
  status: 'that is wanted',
  contains: 'text that the answer must have',
  days: 'left, below which it is bad',
  process: 'name of the process',
  min: 'how many at least',
  max: 'how many at most',
  script: 'file name in the folder of scripts on the device',
  arguments: 'of the script',
};

interface Plain {
  readonly properties: Readonly<Record<string, Shape>>;
  readonly required?: readonly string[];
}
interface Shape {
  readonly type?: string;
  readonly const?: string;
  readonly anyOf?: readonly Shape[];
  readonly enum?: readonly string[];
  readonly minimum?: number;
  readonly maximum?: number;
  readonly maxLength?: number;
}

const kinds = (Check as unknown as { readonly anyOf: readonly (Plain & TSchema)[] }).anyOf;

/** Types of checks, each with its schema. */
export const checkTypes: ReadonlyMap<Check['type'], TSchema> = new Map(
  kinds.map((schema) => [schema.properties['type']?.const as Check['type'], schema]),
);

/** Whether there are checks of this type. */
export const isCheckType = (type: string): type is Check['type'] => checkTypes.has(type as Check['type']);

/** What a check of this type may be told besides its name; what it must be told first. */
export function fieldsOf(type: Check['type']): Field[] {
  const { properties, required = [] } = checkTypes.get(type) as unknown as Plain;
  return Object.entries(properties)
    .filter(([name]) => name !== 'type' && name !== 'name')
    .map(([name, shape]) => fieldOf(name, shape, required.includes(name)))
    .sort((a, b) => Number(b.required) - Number(a.required) || Number(isUsual(a)) - Number(isUsual(b)));
}

/** What every type has comes last. */
const isUsual = ({ name }: Field): boolean => name === 'level' || name === 'every' || name === 'timeout';

function fieldOf(name: string, shape: Shape, required: boolean): Field {
  const choices = shape.enum ?? shape.anyOf?.flatMap((one) => one.const ?? []);
  const kind = choices
    ? 'choice'
    : shape.type === 'array'
      ? 'list'
      : shape.type === 'integer' || shape.type === 'number'
        ? shape.type
        : 'text';
  return {
    name,
    kind,
    required,
    hint: hints[name] ?? '',
    ...(choices ? { choices } : {}),
    ...(shape.minimum === undefined ? {} : { minimum: shape.minimum }),
    ...(shape.maximum === undefined ? {} : { maximum: shape.maximum }),
    ...(shape.maxLength === undefined ? {} : { maxLength: shape.maxLength }),
  };
}

/** What people typed, as a check has it. Throws in words for a number that is none. */
export function valueOf(field: Field, text: string): string | number | string[] {
  if (field.kind === 'list') return text.split(/\s+/).filter(Boolean);
  if (field.kind === 'text' || field.kind === 'choice') return text;
  const number = Number(text);
  if (text.trim() === '' || !Number.isFinite(number)) throw new Error(`${field.name}: ${text} is no number`);
  return number;
}
