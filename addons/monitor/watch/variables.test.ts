import { describe, expect, it } from 'vitest';
import { parseVariables, quoted, seconds } from './variables.ts';

const read = (text: string) => Object.fromEntries(parseVariables(text));

describe('shell variables, read without a shell', () => {
  it('reads what the shell would', () => {
    expect(
      read(
        `#!/bin/sh\n# a comment\nexport A=1 B='two words'; C="say \\"x\\" \\d+ \\$HOME"\nD=$A-\${B}"!"\nE=\nF=a\\ b # end\nG="1\n2"`,
      ),
    ).toEqual({
      A: '1',
      B: 'two words',
      C: 'say "x" \\d+ $HOME',
      D: '1-two words!',
      E: '',
      F: 'a b',
      G: '1\n2',
    });
  });

  it.each([
    ['a command', 'A=1\nrm -rf /\n', /line 2: only variable assignments/],
    ['a command in a value', 'A=$(id)', /nothing is run/],
    ['backquotes', 'A="`id`"', /nothing is run/],
    ['a command behind a value', 'A=1 | sh', /only variable assignments/],
    ['a quote without an end', 'A="x', /without its end/],
    ['a NUL byte', 'A="x\0"', /NUL/],
    ['a default', 'A=${B:-$(id)}', /only a name/],
    ['more than 64 KiB', `A=${'x'.repeat(70_000)}`, /longer than/],
  ])('refuses %s and says where', (_, text, message) => {
    expect(() => parseVariables(text)).toThrow(message);
  });

  it('what it quotes it reads back', () => {
    const value = 'a "b" $c \\d `e`\n\\\\ ü';
    expect(read(`A=${quoted(value)}`)).toEqual({ A: value });
  });

  it('times have units', () => {
    expect(['90', '90s', '5m', '2h', '1d', 'soon', '-1', '1.5'].map(seconds)).toEqual([
      90,
      90,
      300,
      7200,
      86_400,
      undefined,
      undefined,
      undefined,
    ]);
  });
});
