// An OpenAPI document as the conformance runner needs it: operations, and their schemas ready to be used.
import { Ajv, type ValidateFunction } from 'ajv';

export type Schema = Readonly<Record<string, unknown>>;
type Json = Record<string, unknown>;

export interface Parameter {
  readonly name: string;
  readonly in: 'path' | 'query' | 'header';
  readonly required: boolean;
  readonly schema: Schema;
}

export interface Operation {
  /** `GET /api/…/{id}`. */
  readonly name: string;
  readonly method: string;
  readonly path: string;
  readonly parameters: readonly Parameter[];
  /** Of a JSON body. */
  readonly body: Schema | undefined;
  readonly bodyRequired: boolean;
  /** Status → what is said of it. */
  readonly responses: ReadonlyMap<string, Answered>;
}

export interface Answered {
  /** Type of content → its schema. */
  readonly content: ReadonlyMap<string, Schema | undefined>;
  /** Headers that are declared. */
  readonly headers: readonly string[];
}

export class Document {
  readonly operations: readonly Operation[];
  readonly #ajv: Ajv;
  readonly #root: Json;
  readonly #compiled = new WeakMap<Schema, ValidateFunction>();

  constructor(root: Json, wanted: (path: string) => boolean) {
    this.#root = root;
    // Lenient with what the document says besides schemas; formats are checked as far as the server promises them.
    this.#ajv = new Ajv({ strict: false, allErrors: false, validateFormats: true, validateSchema: false });
    this.#ajv.addFormat('binary', true);
    this.#ajv.addFormat('uuid', /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/i);
    this.#ajv.addFormat('date-time', /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:\d\d)$/);
    this.#ajv.addSchema(rebased(root) as Schema, 'document');
    const paths = root['paths'] as Record<string, Json>;
    this.operations = Object.entries(paths)
      .filter(([path]) => wanted(path))
      .flatMap(([path, methods]) =>
        Object.entries(methods).map(([method, operation]) => this.#operation(method, path, operation as Json)),
      );
  }

  /** What is wrong with a value by a schema of this document; undefined: nothing. */
  fault(schema: Schema, value: unknown): string | undefined {
    let valid = this.#compiled.get(schema);
    if (!valid) this.#compiled.set(schema, (valid = this.#ajv.compile(rebased(schema) as Schema)));
    return valid(value) ? undefined : this.#ajv.errorsText(valid.errors);
  }

  /** A schema with its reference, if it is one, followed. */
  resolve(value: unknown): unknown {
    const reference = (value as { $ref?: string } | undefined)?.$ref;
    if (reference === undefined) return value;
    const found = reference
      .slice(2)
      .split('/')
      .reduce<unknown>((at, key) => (at as Json)[key], this.#root);
    return this.resolve(found);
  }

  #operation(method: string, path: string, operation: Json): Operation {
    const parameters = ((operation['parameters'] as unknown[] | undefined) ?? []).map((each) => {
      const parameter = this.resolve(each) as Json;
      return {
        name: String(parameter['name']),
        in: parameter['in'] as Parameter['in'],
        required: parameter['required'] === true,
        schema: (parameter['schema'] ?? {}) as Schema,
      };
    });
    const body = this.resolve(operation['requestBody']) as Json | undefined;
    const content = body?.['content'] as Record<string, { schema?: Schema }> | undefined;
    const responses = Object.entries(operation['responses'] as Json).map(([status, each]): [string, Answered] => {
      const response = this.resolve(each) as { content?: Record<string, { schema?: Schema }>; headers?: Json };
      return [
        status,
        {
          content: new Map(Object.entries(response.content ?? {}).map(([type, { schema }]) => [type, schema])),
          headers: Object.keys(response.headers ?? {}),
        },
      ];
    });
    return {
      name: `${method.toUpperCase()} ${path}`,
      method: method.toUpperCase(),
      path,
      parameters,
      body: content?.['application/json']?.schema,
      bodyRequired: body?.['required'] === true,
      responses: new Map(responses),
    };
  }
}

/** References as they are from anywhere, not only from the document's root. */
function rebased(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(rebased);
  if (typeof value !== 'object' || value === null) return value;
  return Object.fromEntries(
    Object.entries(value).map(([key, each]) => [
      key,
      key === '$ref' && typeof each === 'string' && each.startsWith('#') ? `document${each}` : rebased(each),
    ]),
  );
}
