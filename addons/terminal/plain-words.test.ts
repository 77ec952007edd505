import { expect, it } from 'vitest';
import { plainWords } from './plain-words.ts';

it('a refused shell says what to do about it', () => {
  expect(plainWords('user has too many open sessions')).toMatch(/close one first/);
  expect(plainWords('too many shells spawned')).toMatch(/as many shells open as it allows/);
  expect(plainWords('unknown message protocol and type: 1/new')).toMatch(/switched off/);
  expect(plainWords('failed to start shell: fork/exec /bin/zsh: no such file or directory')).toBe(
    'The device started no shell: fork/exec /bin/zsh: no such file or directory.',
  );
});

it('a shell that was left is no error', () => {
  for (const said of ['', 'read /dev/ptmx: input/output error', 'EOF', 'shell exited with code 0'])
    expect(plainWords(said)).toBe('The shell has ended.');
  expect(plainWords('shell exited with code 130')).toBe('The shell has ended with code 130.');
});

it('what nobody foresaw is passed on, one line of it', () => {
  expect(plainWords('disk on fire\nstack trace')).toBe('The device ended the session: disk on fire.');
});
