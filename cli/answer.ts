// Checks of what a server answers. Not ajv and typebox, as elsewhere: together they take 350 ms to load, ten times what a
// command takes to list devices, and all that is needed here is that the keys a table reads are of the right kind.
import { CodedError } from '#base/errors';

type Kind = 'string' | 'number' | 'boolean' | 'object' | 'array';
export type Shape = Readonly<Record<string, Kind>>;

/** An object of that shape, other keys tolerated; throws `bad_answer` else. The caller names the type of the API. */
// oxlint-disable-next-line typescript/no-unnecessary-type-parameters
export function objectOf<T>(value: unknown, shape: Shape, what: string): T {
  if (kindOf(value) !== 'object') throw bad(what, 'is no object');
  for (const [key, kind] of Object.entries(shape)) {
    if (kindOf((value as Record<string, unknown>)[key]) !== kind) throw bad(what, `has no ${kind} '${key}'`);
  }
  return value as T;
}

/** A list of objects of that shape. `null`, which some servers send for an empty list, is empty. */
export function listOf<T>(value: unknown, shape: Shape, what: string): T[] {
  if (value === null) return [];
  if (!Array.isArray(value)) throw bad(what, 'is no list');
  return value.map((item) => objectOf<T>(item, shape, what));
}

const kindOf = (value: unknown) => (Array.isArray(value) ? 'array' : value === null ? 'null' : typeof value);

const bad = (what: string, why: string) =>
  new CodedError('bad_answer', `the server's answer about ${what} ${why}: is it a Patchbay or Mender server?`);
