import { readdir } from 'node:fs/promises';
import { expect, test } from 'vitest';
import type { Manifest } from '#addon/manifest';
import { addonCommands } from './addon-commands.ts';

test('the table of commands that add-ons bring says what their manifests say', async () => {
  const found: Record<string, { addon: string; summary: string }> = {};
  for (const folder of await readdir(new URL('../addons/', import.meta.url), { withFileTypes: true })) {
    if (!folder.isDirectory() || folder.name === 'contract') continue;
    const { default: manifest } = (await import(`#addons/${folder.name}/manifest`)) as { default: Manifest };
    for (const [name, summary] of Object.entries(manifest.commands ?? {})) {
      found[name] = { addon: manifest.id, summary };
    }
  }
  expect(addonCommands).toEqual(found);
});
