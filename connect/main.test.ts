import { readFileSync } from 'node:fs';
import { expect, it, vi } from 'vitest';
import { main } from './main.ts';
import { version } from './version.ts';

it('says its version, which is that of the package', async () => {
  const { version: published } = JSON.parse(readFileSync('package.json', 'utf8')) as { version: string };
  expect(version).toBe(published);
  const said = vi.spyOn(console, 'log').mockImplementation(() => {});
  expect(await main(['version'])).toBe(0);
  expect(said.mock.calls[0]?.[0]).toMatch(/^\d+\.\d+\.\d+\truntime: node v/);
  said.mockRestore();
});

it('ends with 2 for an option that there is not', async () => {
  const said = vi.spyOn(process.stderr, 'write').mockImplementation(() => true);
  expect(await main(['--frobnicate', 'daemon'])).toBe(2);
  said.mockRestore();
});
