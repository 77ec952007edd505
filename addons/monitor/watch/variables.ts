import { CodedError } from '#base/errors';

export type Variables = ReadonlyMap<string, string>;

const name = /[A-Za-z_][A-Za-z0-9_]*/y;
/** Words of the shell that may stand before an assignment and change nothing for us. */
const prefix = /(?:export|readonly|local|declare(?:\s+-[a-z]+)*|typeset(?:\s+-[a-z]+)*)[ \t]+/y;
/** What a file and a value may hold, bytes. */
const fileLimit = 64 * 1024;

/**
 * Reads a file of shell variable assignments without a shell: quotes, escapes, comments, and `$NAME` of what stands above
 * are understood, and nothing is ever run. Throws `invalid_variables` with the line for anything else.
 */
export function parseVariables(text: string, outer?: Variables): Map<string, string> {
  if (text.length > fileLimit) throw new CodedError('invalid_variables', `longer than ${fileLimit} bytes`);
  const found = new Map<string, string>();
  const known = (word: string): string => found.get(word) ?? outer?.get(word) ?? '';
  let at = 0;
  const fail = (what: string): never => {
    const line = text.slice(0, at).split('\n').length;
    throw new CodedError('invalid_variables', `line ${line}: ${what}`);
  };
  const take = (pattern: RegExp): string | undefined => {
    pattern.lastIndex = at;
    const match = pattern.exec(text)?.[0];
    if (match !== undefined) at += match.length;
    return match;
  };
  for (;;) {
    take(/(?:[\s;]|\\\n|#[^\n]*)+/y);
    if (at >= text.length) return found;
    take(prefix);
    const start = at;
    const key = take(name);
    if (key === undefined || text[at] !== '=') {
      at = start;
      fail('only variable assignments are read here, as in NAME="value"; nothing is run');
    }
    at += 1;
    found.set(key!, value());
  }

  function value(): string {
    let result = '';
    for (; at < text.length;) {
      const char = text[at]!;
      if (/[\s;]/.test(char)) return result;
      at += 1;
      if (char === '\0') fail('a NUL byte');
      if (char === "'") result += single();
      else if (char === '"') result += double();
      else if (char === '\\') {
        if (text[at] !== '\n') result += text[at] ?? '';
        at += 1;
      } else if (char === '$') result += expansion();
      else if ('`|&<>()'.includes(char)) fail(`'${char}' has no place in a value without quotes`);
      else result += char;
    }
    return result;
  }

  function single(): string {
    const end = text.indexOf("'", at);
    if (end < 0) fail('a quote without its end');
    const inner = text.slice(at, end);
    if (inner.includes('\0')) fail('a NUL byte');
    at = end + 1;
    return inner;
  }

  function double(): string {
    let result = '';
    for (; at < text.length;) {
      const char = text[at]!;
      at += 1;
      if (char === '"') return result;
      if (char === '\0') fail('a NUL byte');
      if (char === '`') fail('a command in backquotes: nothing is run here');
      if (char === '$') result += expansion();
      else if (char !== '\\') result += char;
      else {
        // In double quotes a backslash is itself, but before these: `"\d+"` is a pattern as it stands.
        const next = text[at] ?? '';
        at += 1;
        if (next !== '\n') result += '"\\$`'.includes(next) ? next : `\\${next}`;
      }
    }
    return fail('a quote without its end');
  }

  function expansion(): string {
    const brace = text[at] === '{';
    if (text[at] === '(' || text[at] === "'") fail(`'$${text[at]}' is not read here: nothing is run`);
    if (brace) at += 1;
    const word = take(name);
    if (word === undefined) return brace ? fail("'${' without a name") : '$';
    if (brace && text[at] !== '}') fail('of ${…} only a name is understood');
    if (brace) at += 1;
    return known(word);
  }
}

/** A value as it stands in a file, in double quotes. */
export const quoted = (value: string): string => `"${value.replaceAll(/["\\$`]/g, '\\$&')}"`;

/** Seconds: `90`, `90s`, `5m`, `2h`, `1d`; undefined if it is none of these. */
export function seconds(text: string): number | undefined {
  const match = /^(\d{1,9})([smhd]?)$/.exec(text.trim());
  if (!match) return undefined;
  return Number(match[1]) * { '': 1, s: 1, m: 60, h: 3600, d: 86_400 }[match[2] as '' | 's' | 'm' | 'h' | 'd'];
}
