import { mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { makeFifo, openForReader, removeFifo } from './fifo.ts';

let folder = '';
let fifo = '';
beforeEach(async () => {
  folder = mkdtempSync(join(tmpdir(), 'patchbay-fifo-'));
  fifo = join(folder, 'next');
  await makeFifo(fifo);
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

it('opens when somebody reads, and what is written arrives', async () => {
  const read = readFile(fifo, 'utf8');
  const handle = await openForReader(fifo, new Promise(() => undefined));
  await handle?.write('streams/a\n');
  await handle?.close();
  expect(await read).toBe('streams/a\n');
});

it('a name that is deleted at once, however soon, ends with the module and is no error', async () => {
  for (let n = 0; n < 50; n++) {
    const gone = Promise.withResolvers<void>();
    const opened = openForReader(fifo, gone.promise);
    // Before the open has reached the thread pool.
    rmSync(fifo);
    gone.resolve();
    expect(await opened).toBeUndefined();
    await makeFifo(fifo);
  }
});

it('a name that was gone before ends with the module too', async () => {
  await removeFifo(fifo);
  const gone = Promise.withResolvers<void>();
  const opened = openForReader(fifo, gone.promise);
  gone.resolve();
  expect(await opened).toBeUndefined();
});

it('leaves no descriptor behind', async () => {
  const count = (): number => readdirSync('/proc/self/fd').length;
  const before = count();
  for (let n = 0; n < 10; n++) await openForReader(fifo, Promise.resolve());
  expect(count()).toBeLessThanOrEqual(before);
});
