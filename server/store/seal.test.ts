import { mkdtemp, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { Seal } from './seal.ts';

let data = '';
beforeEach(async () => {
  data = await mkdtemp(join(tmpdir(), 'patchbay-seal-'));
});
afterEach(() => rm(data, { recursive: true, force: true }));

it('whoever seals first makes the key, and of several at once all have the same', async () => {
  const sealed = await Promise.all(Array.from({ length: 8 }, (_, i) => new Seal(data).close(`secret ${i}`, 'me')));
  for (const [i, text] of sealed.entries()) expect(await new Seal(data).open(text, 'me')).toBe(`secret ${i}`);
  expect(await readdir(join(data, 'keys'))).toEqual(['database.key']);
});

it('the same twice is two texts, of which no bit can be changed and no owner', async () => {
  const seal = new Seal(data);
  const text = await seal.close('ä secret', 'me');
  expect(await seal.close('ä secret', 'me')).not.toBe(text);
  await expect(seal.open(text, 'you')).rejects.toThrow('altered');
  const start = text.lastIndexOf(':') + 1;
  for (let at = start; at < text.length; at++) {
    const changed = `${text.slice(0, at)}${text[at] === 'A' ? 'Q' : 'A'}${text.slice(at + 1)}`;
    await expect(seal.open(changed, 'me')).rejects.toMatchObject({ code: 'seal_broken' });
  }
  for (const cut of [0, 4, 20, 40])
    await expect(seal.open(text.slice(0, start + cut), 'me')).rejects.toMatchObject({ code: 'seal_broken' });
});

it('what is closed in one realm is opened in no other one, nor without any', async () => {
  const seal = new Seal(data);
  const [one, other] = [seal.within('addon one'), seal.within('addon other')];
  const text = await one.close('secret', 'row 1');
  expect(await one.open(text, 'row 1')).toBe('secret');
  const wrong = [
    [other, 'row 1'],
    [one, 'row 2'],
    [seal, 'row 1'],
  ] as const;
  for (const [by, owner] of wrong) await expect(by.open(text, owner)).rejects.toMatchObject({ code: 'seal_broken' });
  expect([one.isSealed(text), one.isSealed('secret')]).toEqual([true, false]);
});
