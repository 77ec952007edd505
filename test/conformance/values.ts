// Values that fit a schema, and values that do not.
import type { Document, Schema } from './document.ts';

const id = '3f8a1c52-0b7d-4e6f-9a21-5c4d3e2f1a0b';
/** Tried in turn where a pattern is wanted. */
const words = [id, 'abc', 'a1', 'ab', '0', '2026-01-02T03:04:05.000Z', 'a@example.com', '/etc/x', 'A', '0.1'];

/** A value that fits: the example that the document gives if it does, else one made of the schema. */
export function fitting(document: Document, given: unknown, depth = 0): unknown {
  const schema = (document.resolve(given) as (Schema & Record<string, unknown>) | undefined) ?? {};
  if (schema['example'] !== undefined && document.fault(schema, schema['example']) === undefined)
    return schema['example'];
  if (schema['const'] !== undefined) return schema['const'];
  if (Array.isArray(schema['enum'])) return schema['enum'][0];
  for (const key of ['oneOf', 'anyOf'] as const) {
    const choices = schema[key] as unknown[] | undefined;
    if (choices?.[0] !== undefined) return fitting(document, choices[0], depth);
  }
  const parts = schema['allOf'] as unknown[] | undefined;
  if (parts) {
    const made = parts.map((part) => fitting(document, part, depth));
    return made.every((part) => typeof part === 'object' && part !== null) ? Object.assign({}, ...made) : made[0];
  }
  const type = Array.isArray(schema['type']) ? (schema['type'][0] as unknown) : schema['type'];
  switch (type) {
    case 'string':
      return text(schema);
    case 'integer':
    case 'number':
      return schema['minimum'] ?? 1;
    case 'boolean':
      return true;
    case 'array': {
      const few = Math.max((schema['minItems'] as number | undefined) ?? 0, depth < 4 ? 1 : 0);
      return Array.from({ length: few }, () => fitting(document, schema['items'] ?? {}, depth + 1));
    }
    default:
      return object(document, schema, depth);
  }
}

function object(document: Document, schema: Schema, depth: number): Record<string, unknown> {
  const required = (schema['required'] as string[] | undefined) ?? [];
  const properties = Object.entries((schema['properties'] as Record<string, unknown> | undefined) ?? {});
  return Object.fromEntries(
    properties
      .filter(([name]) => required.includes(name) || depth < 3)
      .map(([name, each]) => [name, fitting(document, each, depth + 1)]),
  );
}

function text(schema: Schema): string {
  const { minLength = 0, maxLength = Infinity, pattern, format } = schema as Record<string, never>;
  if (format === 'uuid') return id;
  if (format === 'date-time') return '2026-01-02T03:04:05.000Z';
  const fits = (word: string): boolean =>
    word.length >= minLength &&
    word.length <= maxLength &&
    (pattern === undefined || new RegExp(pattern, 'u').test(word));
  return words.slice(1).find(fits) ?? words.find(fits) ?? 'a'.repeat(Math.max(minLength, 1));
}

export interface Broken {
  /** In what way. */
  readonly how: string;
  readonly value: unknown;
}

/** Values that do not fit, each broken in one place. */
export function broken(document: Document, given: unknown, fits: unknown): Broken[] {
  const all: Broken[] = [null, [], 'text', 7, true, {}].map((value) => ({ how: JSON.stringify(value), value }));
  const schema = document.resolve(given) ?? {};
  for (const [how, value] of mutants(document, schema, fits, '')) all.push({ how, value });
  return all.filter(({ value }) => document.fault(given as Schema, value) !== undefined);
}

/** One fault a time, at each place of the value. */
function* mutants(document: Document, given: unknown, value: unknown, at: string): Generator<[string, unknown]> {
  const schema = (document.resolve(given) as Record<string, unknown> | undefined) ?? {};
  const where = at || 'body';
  if (typeof value === 'string') {
    yield [`${where} a number`, 7];
    yield [`${where} an object`, { a: 1 }];
    const longest = schema['maxLength'] as number | undefined;
    if (longest !== undefined && longest < 100_000) yield [`${where} too long`, 'x'.repeat(longest + 1)];
    if (schema['minLength']) yield [`${where} empty`, ''];
    if (schema['enum']) yield [`${where} another word`, 'none of them'];
    if (schema['pattern']) yield [`${where} of another form`, '\u0000 %&'];
  } else if (typeof value === 'number') {
    yield [`${where} a text`, 'seven'];
    for (const [limit, step] of [
      ['minimum', -1],
      ['maximum', 1],
    ] as const)
      if (typeof schema[limit] === 'number') yield [`${where} beyond its ${limit}`, schema[limit] + step];
  } else if (typeof value === 'boolean') yield [`${where} a text`, 'yes'];
  else if (Array.isArray(value)) {
    const most = schema['maxItems'] as number | undefined;
    if (most !== undefined && most <= 2000)
      yield [`${where} too many`, Array.from({ length: most + 1 }, () => value[0])];
    if (value.length > 0)
      for (const [how, changed] of mutants(document, schema['items'], value[0], `${at}[0]`))
        yield [how, [changed, ...value.slice(1)]];
  } else if (typeof value === 'object' && value !== null) {
    const properties = (schema['properties'] ?? {}) as Record<string, unknown>;
    for (const [name, each] of Object.entries(value)) {
      const { [name]: _, ...rest } = value as Record<string, unknown>;
      yield [`${where} without ${name}`, rest];
      for (const [how, changed] of mutants(document, properties[name], each, `${at}.${name}`))
        yield [how, { ...rest, [name]: changed }];
    }
  }
}
