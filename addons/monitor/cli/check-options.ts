import { Type } from 'typebox';
import { CodedError, messageOf } from '#base/errors';
import { parser } from '#proto/validate';
import { Check } from '../check.ts';
import { checkTypes, type Field, fieldsOf, isCheckType, valueOf } from '../check-fields.ts';
import { idOf } from '../words.ts';
import { usage } from './filter.ts';

const flagOf = ({ name, kind }: Field): string =>
  `--${name} <${kind === 'text' || kind === 'choice' ? 'text' : kind === 'list' ? 'words' : 'n'}>`;

/** Options that a type takes, or with what they mean all that there are. */
export function allFlags(): [string, string][];
export function allFlags(type: Check['type']): string[];
export function allFlags(type?: Check['type']): unknown {
  if (type) return fieldsOf(type).map(({ name, required }) => (required ? `--${name}` : `[--${name}]`));
  const found = new Map<string, { flag: string; hint: string; types: string[] }>();
  for (const type of checkTypes.keys())
    for (const field of fieldsOf(type)) {
      const known = found.get(field.name) ?? { flag: flagOf(field), hint: hintOf(field), types: [] };
      known.types.push(type);
      found.set(field.name, known);
    }
  return [...found.values()].map(({ flag, hint, types }) => [
    flag === '--file <text>' ? '--file <path>' : flag,
    types.length === checkTypes.size ? hint : `${types.join(', ')}: ${hint}`,
  ]);
}

const hintOf = ({ hint, choices }: Field): string => (choices ? `${choices.join(' or ')}: ${hint}` : hint);

/** A check out of the words of a command line. Throws `usage`. */
export function checkFrom(type: string, name: string, given: Readonly<Record<string, string>>): Check {
  if (!isCheckType(type)) throw usage(`there are no checks of the type ${type}: ${[...checkTypes.keys()].join(', ')}`);
  const fields = fieldsOf(type);
  const check: Record<string, unknown> = { type, name };
  for (const [option, text] of Object.entries(given)) {
    const field = fields.find((one) => one.name === option);
    if (!field) throw usage(`a check of the type ${type} takes no --${option}: it takes ${allFlags(type).join(' ')}`);
    try {
      check[option] = valueOf(field, field.name === 'level' ? text.toUpperCase() : text);
    } catch (error) {
      throw usage(`--${messageOf(error)}`);
    }
  }
  const missing = fields.find((field) => field.required && check[field.name] === undefined);
  if (missing) throw usage(`a check of the type ${type} wants --${missing.name}: ${missing.hint}`);
  return checked(check, usage);
}

const layerOf = parser(
  Type.Object({
    checks: Type.Array(Type.Object({ type: Type.String(), name: Type.String() })),
    without: Type.Optional(Type.Array(Type.String())),
    priority: Type.Optional(Type.Integer()),
  }),
);

/** What a file says: a list of checks, or all that is given in a place. */
export function checksFrom(file: string, text: string): { checks: Check[]; without?: string[]; priority?: number } {
  const bad = (why: string): CodedError =>
    new CodedError('failed', `${file === '-' ? 'standard input' : file}: ${why}`);
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    throw bad('no JSON');
  }
  try {
    const { checks, without, priority } = layerOf(Array.isArray(value) ? { checks: value } : value);
    return {
      checks: checks.map((check) => checked(check, bad)),
      ...(without ? { without } : {}),
      ...(priority === undefined ? {} : { priority }),
    };
  } catch (error) {
    if (error instanceof CodedError && error.code === 'failed') throw error;
    throw bad(messageOf(error));
  }
}

/** By the schema of its type: what that of all types together says of a mistake is no help. */
function checked(
  check: object & { readonly type?: unknown; readonly name?: unknown },
  bad: (why: string) => CodedError,
): Check {
  const type = String(check.type);
  if (!isCheckType(type)) throw bad(`there are no checks of the type ${type}: ${[...checkTypes.keys()].join(', ')}`);
  try {
    return parser(checkTypes.get(type) ?? Check)(check) as Check;
  } catch (error) {
    throw bad(`${idOf({ type, name: String(check.name) })}: ${messageOf(error)}`);
  }
}
