import { PassThrough, Readable } from 'node:stream';
import { text } from 'node:stream/consumers';
import { expect, test } from 'vitest';
import { progressBar } from './progress.ts';

function terminal(isTTY: boolean) {
  const diagnostics = Object.assign(new PassThrough(), { isTTY, columns: 60 });
  return { input: Readable.from([]), out: new PassThrough(), diagnostics };
}

function said(stream: PassThrough): Promise<string> {
  stream.end();
  return text(stream);
}

test('a terminal shows how far it is, and nothing when it is done', async () => {
  const shown = terminal(true);
  const bar = progressBar(shown, 'Writing', 1000);
  bar.add(500);
  bar.add(10_000);
  bar.done();
  const drawn = await said(shown.diagnostics);
  expect(drawn).toContain('\rWriting [');
  expect(drawn).toContain('] 50 %');
  expect(drawn).toContain('] 99 %');
  expect(drawn).toMatch(/\r +\r$/);
  const widest = Math.max(...drawn.split('\r').map((line) => line.length));
  expect(widest).toBeLessThanOrEqual(60);
});

test.each([
  ['a pipe', false, true],
  ['a terminal, when it is not wanted', true, false],
])('%s stays silent', async (_, isTTY, wanted) => {
  const shown = terminal(isTTY);
  const bar = progressBar(shown, 'Writing', 1000, wanted);
  bar.add(500);
  bar.done();
  expect(await said(shown.diagnostics)).toBe('');
});
