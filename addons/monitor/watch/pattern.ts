import { createRequire } from 'node:module';
import type { RE2JS as Compiler } from 're2js';
import { messageOf } from '#base/errors';

export type Matches = (line: string) => boolean;

/** Matched in linear time, whatever the pattern: nothing that a log says can make a device hang. */
let compiler: typeof Compiler | undefined;

/** As large as all the rest of Monitor: loaded when there is a pattern that needs it. */
function load(): typeof Compiler {
  compiler ??= (createRequire(import.meta.url)('re2js') as { RE2JS: typeof Compiler }).RE2JS;
  return compiler;
}

/** What people write for `grep -P`, in words that RE2 has. */
const translations: readonly (readonly [RegExp, string])[] = [
  [/\\h/y, '[\\t ]'],
  [/\\H/y, '[^\\t ]'],
  [/\\R/y, '(?:\\r\\n|\\n|\\r)'],
  [/\\Z/y, '\\z'],
  [/\\e/y, '\\x1b'],
  [/\(\?#[^)]*\)/y, ''],
];

/** What RE2 cannot do, and how people call it. */
const impossible: readonly (readonly [RegExp, string])[] = [
  [/\(\?<?[=!]/y, 'looking ahead or behind'],
  [/\(\?>/y, 'atomic groups'],
  [/\\(?:[1-9]|k[<{'])/y, 'references back to a group'],
  [/\(\?(?:R|\d|&|P>)/y, 'recursion'],
  [/\(\?\(/y, 'conditions'],
  [/\\[KG]/y, '\\K and \\G'],
  [/[*+?}]\+/y, 'possessive quantifiers'],
];

/** A pattern in RE2's words; throws in words for a person. */
export function translate(pattern: string): string {
  let result = '';
  let inClass = false;
  for (let at = 0; at < pattern.length;) {
    if (pattern.startsWith('\\Q', at)) {
      const end = pattern.indexOf('\\E', at);
      const until = end < 0 ? pattern.length : end + 2;
      result += pattern.slice(at, until);
      at = until;
      continue;
    }
    const find = (rules: readonly (readonly [RegExp, string])[]) =>
      rules
        .map(([rule, text]) => ((rule.lastIndex = at), { found: rule.exec(pattern)?.[0], text }))
        .find(({ found }) => found);
    const not = inClass ? undefined : find(impossible);
    if (not)
      throw new Error(`the pattern uses ${not.text}, which is not matched here: it could run for ever (RE2 syntax)`);
    const other = find(translations);
    if (other?.found && !(inClass && other.found.startsWith('('))) {
      // In a class only what is one: `[\h,]`.
      result += inClass ? other.text.replace(/^\[\^?|\]$/g, '') : other.text;
      at += other.found.length;
      continue;
    }
    if (pattern[at] === '\\') {
      result += pattern.slice(at, at + 2);
      at += 2;
      continue;
    }
    if (pattern[at] === '[' && !inClass) {
      inClass = true;
      // A bracket that comes first is one of the class.
      const head = /\[\^?\]?/y;
      head.lastIndex = at;
      const taken = head.exec(pattern)?.[0] ?? '[';
      result += taken;
      at += taken.length;
      continue;
    }
    if (inClass && pattern.startsWith('[:', at)) {
      const end = pattern.indexOf(':]', at);
      const until = end < 0 ? at + 2 : end + 2;
      result += pattern.slice(at, until);
      at = until;
      continue;
    }
    if (pattern[at] === ']') inClass = false;
    result += pattern[at];
    at += 1;
  }
  return result;
}

/** Why it cannot be used; undefined: it can. */
export function patternProblem(pattern: string): string | undefined {
  try {
    compilePattern(pattern);
    return undefined;
  } catch (error) {
    return messageOf(error);
  }
}

/** Whether a line has a match in it, anywhere, as `grep` does. Throws in words for a person. */
export function compilePattern(pattern: string): Matches {
  // Most patterns are words.
  if (/^[\w\s:;,<>=!@#%&"'~/-]+$/u.test(pattern)) return (line) => line.includes(pattern);
  if (pattern === '.*') return () => true;
  const translated = translate(pattern);
  try {
    const compiled = load().compile(translated);
    return (line) => compiled.matcher(line).find();
  } catch (error) {
    throw new Error(
      `the pattern is no regular expression: ${messageOf(error).replace(/^error parsing regexp: /, '')}`,
      { cause: error },
    );
  }
}
