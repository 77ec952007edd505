import { Type, type Static } from 'typebox';

/** Limits of the reference (`server-api.md` §5). */
export const keyLimit = 100;
const textLimit = 4096;

/** Settings: flat, text to text (`server-api.md` §1.7, §2.7). */
export const Values = Type.Record(Type.String(), Type.String({ maxLength: textLimit }), {
  maxProperties: keyLimit,
  propertyNames: { minLength: 1, maxLength: textLimit },
});
export type Values = Static<typeof Values>;

/** Names of the settings that differ, for the audit log: the values may be secrets. */
export function difference(before: Values, after: Values): { set: string[]; removed: string[] } {
  return {
    set: Object.keys(after).filter((key) => valueOf(before, key) !== after[key]),
    removed: Object.keys(before).filter((key) => !Object.hasOwn(after, key)),
  };
}

/** A key may be called as something that every object has. */
export const valueOf = (values: Values, key: string): string | undefined =>
  Object.hasOwn(values, key) ? values[key] : undefined;

export const equal = (a: Values, b: Values): boolean => {
  const { set, removed } = difference(a, b);
  return set.length + removed.length === 0;
};
