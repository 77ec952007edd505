import { CodedError } from '#base/errors';

/** Lines `key=value` of identity and inventory scripts: the first `=` splits, a repeated key collects its values. */
export function parseKeyValues(text: string, into: Map<string, string[]> = new Map()): Map<string, string[]> {
  const parsed: [string, string][] = [];
  for (const line of text.split('\n')) {
    if (line.trim() === '') continue;
    const at = line.indexOf('=');
    if (at <= 0) throw new CodedError('key_value', `line without key and '=': ${line.slice(0, 80)}`);
    parsed.push([line.slice(0, at), line.slice(at + 1)]);
  }
  // Only after the whole text was understood: a half-read script must leave nothing behind.
  for (const [key, value] of parsed) {
    const values = into.get(key);
    if (values) values.push(value);
    else into.set(key, [value]);
  }
  return into;
}

/** Keys sorted, single values as text, repeated ones as a list. */
export function sortedValues(values: ReadonlyMap<string, readonly string[]>): [string, string | readonly string[]][] {
  return [...values]
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map(([key, list]) => [key, list.length === 1 ? (list[0] ?? '') : list]);
}
