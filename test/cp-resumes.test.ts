// A copy whose device loses its Connect daemon in the middle.
import { randomBytes } from 'node:crypto';
import { readdir, readFile, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { eventually } from './stage/program.ts';
import { Rig } from './stage/rig.ts';

let rig: Rig;
let id: string;
const content = randomBytes(96 * 1024 * 1024);
const at = (name: string) => join(rig.folder, name);

beforeAll(async () => {
  rig = await Rig.start('resume');
  id = (await rig.device('patchbay')).id;
  await writeFile(at('from'), content);
}, 120_000);
afterAll(() => rig?.[Symbol.asyncDispose]());

/** Waits until some of the copy has arrived beside its target, and not all of it. */
async function midway(): Promise<void> {
  await eventually('a part of the file is there', async () => {
    const part = (await readdir(rig.folder)).find((name) => name.endsWith('.part'));
    return part !== undefined && (await stat(at(part))).size > 1_000_000;
  });
}

it.each(['up', 'down'])(
  'ask-11 ask-15 a copy %s goes on where it was when the daemon is back',
  async (way) => {
    const to = at(`to-${way}`);
    const done = rig.run(way === 'up' ? ['cp', at('from'), `${id}:${to}`] : ['cp', `${id}:${at('from')}`, to]);
    await midway();
    expect(await readdir(rig.folder)).not.toContain(`to-${way}`);
    await rig.crash(id);
    const { code, err } = await done;
    expect(err).toContain('trying again');
    expect(code).toBe(0);
    expect((await readFile(to)).equals(content)).toBe(true);
    expect((await readdir(rig.folder)).filter((name) => name.endsWith('.part'))).toEqual([]);
  },
  120_000,
);
