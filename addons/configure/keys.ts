import { Ajv, type ValidateFunction } from 'ajv';
import { RE2JS } from 're2js';
import { Type, type Static } from 'typebox';
import { CodedError, messageOf } from '#base/errors';
import { type Values, valueOf } from './values.ts';

const Text = Type.String({ maxLength: 4096 });
const Length = Type.Integer({ minimum: 0, maximum: 4096 });

/**
 * What one setting may be, as JSON Schema. Values travel as text: `"8080"` is an integer, `"true"` a boolean. `writeOnly`
 * marks a secret, as JSON Schema has it.
 */
export const Key = Type.Object(
  {
    type: Type.Optional(
      Type.Union(['string', 'integer', 'number', 'boolean'].map((word) => Type.Literal(word as 'string'))),
    ),
    title: Type.Optional(Text),
    description: Type.Optional(Text),
    enum: Type.Optional(Type.Array(Text, { minItems: 1, maxItems: 1000 })),
    pattern: Type.Optional(Type.String({ maxLength: 1024 })),
    minLength: Type.Optional(Length),
    maxLength: Type.Optional(Length),
    minimum: Type.Optional(Type.Number()),
    maximum: Type.Optional(Type.Number()),
    examples: Type.Optional(Type.Array(Text, { maxItems: 100 })),
    writeOnly: Type.Optional(Type.Boolean()),
  },
  { additionalProperties: false },
);
export type Key = Static<typeof Key>;

/** What settings there may be. Without one everything may be set, and nothing is secret. */
export const Schema = Type.Object(
  {
    $schema: Type.Optional(Text),
    title: Type.Optional(Text),
    description: Type.Optional(Text),
    type: Type.Optional(Type.Literal('object')),
    properties: Type.Record(Type.String(), Key, {
      maxProperties: 500,
      propertyNames: { minLength: 1, maxLength: 4096 },
    }),
    /** False: no other settings than these. */
    additionalProperties: Type.Optional(Type.Boolean()),
  },
  { additionalProperties: false },
);
export type Schema = Static<typeof Schema>;

/** What stands for a secret; given back, it means: as it was. */
export const mask = '********';

/** Patterns come from people: RE2 matches any of them in linear time. */
const regExp = Object.assign(
  (pattern: string) => {
    const compiled = RE2JS.compile(pattern);
    return { test: (text: string): boolean => compiled.matcher(text).find(), toString: () => pattern };
  },
  { code: 'undefined' },
);

/** Checks settings by a schema, and hides the secret ones. */
export class Keys {
  readonly schema: Schema;
  readonly #checks = new Map<string, ValidateFunction>();

  /** Throws `bad_request` for a schema that means nothing. */
  constructor(schema: Schema) {
    this.schema = schema;
    const ajv = new Ajv({ coerceTypes: true, strict: true, allErrors: false, code: { regExp } });
    for (const [name, key] of Object.entries(schema.properties)) {
      const { type = 'string' } = key;
      const misplaced = Object.keys(key).find((word) => (fitting[word] ?? [type]).every((fit) => fit !== type));
      if (misplaced)
        throw new CodedError('bad_request', `${name}: ${misplaced} goes with ${fitting[misplaced]?.join(' or ')}`);
      try {
        const value = { ...key, type };
        this.#checks.set(name, ajv.compile({ type: 'object', properties: { value }, required: ['value'] }));
      } catch (error) {
        throw new CodedError('bad_request', `${name}: ${messageOf(error)}`, { cause: error });
      }
    }
  }

  isSecret(key: string): boolean {
    return Object.hasOwn(this.schema.properties, key) && this.schema.properties[key]?.writeOnly === true;
  }

  /** Throws `bad_request` that names the first setting that is none, or whose value is none, and why. */
  check(values: Values): void {
    for (const [key, value] of Object.entries(values)) {
      const check = this.#checks.get(key);
      if (!check) {
        if (this.schema.additionalProperties === false)
          throw new CodedError('bad_request', `${key.slice(0, 256)}: there is no such setting in the schema`);
        continue;
      }
      if (check({ value })) continue;
      const [error] = check.errors ?? [];
      const allowed =
        error?.keyword === 'enum' ? `: ${this.schema.properties[key]?.enum?.join(', ').slice(0, 1000)}` : '';
      throw new CodedError(
        'bad_request',
        `${key.slice(0, 256)}: the value ${error?.message ?? 'is refused'}${allowed}`,
      );
    }
  }

  /** The same, a mask in place of each secret. */
  masked(values: Values): Values {
    return Object.fromEntries(Object.entries(values).map(([key, value]) => [key, this.isSecret(key) ? mask : value]));
  }

  /** What somebody means who was shown `masked(before)` and sends this. Throws `bad_request` for a mask of nothing. */
  unmasked(values: Values, before: Values): Values {
    return Object.fromEntries(
      Object.entries(values).map(([key, value]) => {
        if (value !== mask || !this.isSecret(key)) return [key, value];
        const known = valueOf(before, key);
        if (known === undefined)
          throw new CodedError(
            'bad_request',
            `${key.slice(0, 256)}: ${mask} stands for a secret, and there is none yet`,
          );
        return [key, known];
      }),
    );
  }
}

/** Words that go with some types only. */
const fitting: Readonly<Record<string, readonly string[]>> = {
  enum: ['string'],
  pattern: ['string'],
  minLength: ['string'],
  maxLength: ['string'],
  minimum: ['integer', 'number'],
  maximum: ['integer', 'number'],
};
