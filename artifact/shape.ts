import type { Static, TSchema } from 'typebox';
import { Check, Errors } from 'typebox/schema';

/**
 * Takes a value from outside and returns it typed, or throws what is wrong with it. Interprets its schema, unlike the parsers
 * of `#proto`: who looks at one artifact uses each schema once, and compiling one takes longer than reading a small artifact.
 */
export function shape<S extends TSchema>(schema: S): (value: unknown) => Static<S> {
  return (value) => {
    if (Check(schema, value)) return value;
    const [, errors] = Errors(schema, value);
    // A key that is not allowed is also said to have a value that nothing can have.
    const { instancePath, message } = errors.find(({ keyword }) => keyword !== 'boolean') ?? {
      instancePath: '',
      message: '',
    };
    throw new TypeError(`${instancePath.slice(1)} ${message}`.trim());
  };
}
