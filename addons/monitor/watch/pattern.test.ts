import { describe, expect, it } from 'vitest';
import { compilePattern } from './pattern.ts';

describe('patterns, as people write them for grep -P', () => {
  it.each([
    ['error', 'an error here', 'nothing'],
    ['^\\d{3}\\h+x', '123 \tx', '12 x'],
    ['(?i)FAIL(?:ed|ure)', 'failure', 'fall'],
    ['[\\h,]end\\Z', 'x,end', 'x;end'],
    ['[[:digit:]]+°', '21°', 'x°'],
    ['[]a]b', ']b', 'cb'],
    ['\\Qa.(b\\E', 'xa.(b', 'xaa(b'],
    ['(?#why)a|b', 'b', 'c'],
    ['.*container kill.*name=web.*', '2026 container kill 1 (image=x, name=web)', 'container die name=web'],
    ['.*', '', undefined],
  ])('%s', (pattern, yes, no) => {
    const matches = compilePattern(pattern);
    expect(matches(yes)).toBe(true);
    if (no !== undefined) expect(matches(no)).toBe(false);
  });

  it.each(['a(?=b)', '(?<!a)b', '(a)\\1', '(?>a)b', 'a++', '(?R)', 'a\\Kb'])(
    'says that %s cannot be had',
    (pattern) => {
      expect(() => compilePattern(pattern)).toThrow(/not matched here: it could run for ever/);
    },
  );

  it('a pattern that would run for ever elsewhere is done at once', () => {
    const matches = compilePattern('^(a+)+$');
    const began = performance.now();
    expect(matches(`${'a'.repeat(5000)}!`)).toBe(false);
    expect(performance.now() - began).toBeLessThan(10_000);
  });
});
