import { misuse } from './exit.ts';

/** Collects an option that may be given several times. */
export const list = (value: string, before: readonly string[] = []): readonly string[] => [...before, value];

/** KEY:VALUE options as a map. Values may contain colons, keys may not. */
export function pairs(flag: string, given: readonly string[] = []): Record<string, string> {
  return Object.fromEntries(
    given.map((pair) => {
      const colon = pair.indexOf(':');
      if (colon < 1) throw misuse(`${flag} ${pair}: must be KEY:VALUE`);
      return [pair.slice(0, colon), pair.slice(colon + 1)];
    }),
  );
}

/** The same for depends: a key that is given several times wants one of several values. */
export function wanted(flag: string, given: readonly string[] = []): Record<string, string | string[]> {
  const found = new Map<string, string[]>();
  for (const pair of given) {
    for (const [key, value] of Object.entries(pairs(flag, [pair]))) found.set(key, [...(found.get(key) ?? []), value]);
  }
  return Object.fromEntries([...found].map(([key, values]) => [key, values.length === 1 ? (values[0] ?? '') : values]));
}
