import { execFile } from 'node:child_process';
import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';

const run = promisify(execFile);
const root = join(import.meta.dirname, '..', '..');

/** Makes the Debian package of a device in a folder, as it ships; the file. */
export async function makeDeb(folder: string): Promise<string> {
  const [built, out] = [join(folder, 'built'), join(folder, 'deb')];
  await run(process.execPath, [join(root, 'tools', 'build.mjs'), '--device', '--out', built]);
  await run(process.execPath, [join(root, 'packaging', 'deb.mjs'), '--built', built, '--out', out]);
  const [file = ''] = await readdir(out);
  return join(out, file);
}
