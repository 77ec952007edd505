import { accessSync, constants, readdirSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { CodedError, codeOf, messageOf } from '#base/errors';
import type { Log } from '#base/log';
import type { Attribute } from '#proto/http/device';
import { runChild } from '../child.ts';
import { parseKeyValues, sortedValues } from '../key-values.ts';
import { version } from '../version.ts';

const scriptTimeout = 300_000;

/**
 * What the inventory scripts say, with `builtIn` for the names that none of them has (`update-client.md` §9). A failing
 * script costs its own attributes only; throws `inventory` if there are scripts and all of them fail.
 */
export async function collectAttributes(
  folder: string,
  builtIn: Readonly<Record<string, string>>,
  log: Log,
  signal: AbortSignal,
): Promise<Attribute[]> {
  const values = new Map<string, string[]>();
  const scripts = inventoryScripts(folder);
  let failed = 0;
  for (const script of scripts) {
    const ended = await runChild({ file: script, timeout: scriptTimeout, signal });
    signal.throwIfAborted();
    try {
      if (ended.error) throw ended.error;
      if (ended.code !== 0)
        throw new CodedError('inventory', ended.timedOut ? 'took too long' : `exit ${ended.code ?? ended.signal}`);
      parseKeyValues(ended.output, values);
    } catch (error) {
      failed += 1;
      log.warn('inventory script skipped', { script, error: messageOf(error) });
    }
  }
  if (scripts.length > 0 && failed === scripts.length)
    throw new CodedError('inventory', `all ${failed} inventory scripts in ${folder} fail: nothing is sent`);
  const provider = values.has('mender_client_version') ? 'external' : 'internal';
  const own = { ...builtIn, mender_client_version: version, mender_client_version_provider: provider };
  for (const [name, value] of Object.entries(own)) if (!values.has(name)) values.set(name, [value]);
  return sortedValues(values).map(([name, value]) => ({
    name,
    value: typeof value === 'string' ? value : [...value],
  }));
}

/** Executable regular files `mender-inventory-*`, by name. */
function inventoryScripts(folder: string): string[] {
  let names: string[];
  try {
    names = readdirSync(folder);
  } catch (error) {
    if (codeOf(error) === 'ENOENT') return [];
    throw error;
  }
  return names
    .filter((name) => name.startsWith('mender-inventory-'))
    .sort()
    .map((name) => join(folder, name))
    .filter((file) => {
      try {
        accessSync(file, constants.X_OK);
        return statSync(file).isFile();
      } catch {
        return false;
      }
    });
}
