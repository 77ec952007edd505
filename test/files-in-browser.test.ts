// The files of a device as a person at the web pages has them: ours, and one with Mender's Connect daemon.
import { randomBytes } from 'node:crypto';
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import type { Device } from '#proto/http/devices';
import { buildPages, describeBrowser, Person } from './stage/person.ts';
import { eventually } from './stage/program.ts';
import { Rig } from './stage/rig.ts';

describeBrowser('the files of a device', (executable) => {
  let rig: Rig;
  let device: Device;
  let person: Person;
  const content = randomBytes(8 * 1024 * 1024);
  const at = (...names: string[]): string => join(rig.folder, 'files', ...names);

  beforeAll(async () => {
    await buildPages();
    rig = await Rig.start('files');
    device = await rig.device('patchbay');
    await mkdir(at('logs'), { recursive: true });
    await writeFile(at('big.bin'), content);
    await writeFile(at('logs', '<i>today & more.txt'), 'hello');
    person = await Person.at(rig.server.url, executable);
    await person.opens(`/devices/${device.id}`);
    await person.logsIn(rig.server.user, rig.server.password);
    await person.page.getByRole('tab', { name: 'Files' }).click();
  }, 120_000);
  afterAll(async () => {
    await person?.[Symbol.asyncDispose]();
    await rig?.[Symbol.asyncDispose]();
  });

  const goTo = async (path: string): Promise<void> => {
    await person.page.getByLabel('Path', { exact: true }).fill(path);
    await person.presses('Open');
  };

  it('are shown folder by folder, names as they are', async () => {
    await goTo(at());
    await person.sees('1 folders, 1 files');
    await person.sees('8.4 MB');
    await person.presses('logs/');
    await person.sees('<i>today & more.txt');
    await person.presses('Up');
    await person.sees('big.bin');
  });

  it('are downloaded', async () => {
    const [download] = await Promise.all([person.page.waitForEvent('download'), person.presses('big.bin')]);
    expect(download.suggestedFilename()).toBe('big.bin');
    expect((await readFile(await download.path())).equals(content)).toBe(true);
    await person.sees('big.bin, 8.4 MB, is among the downloads of your browser.');
  });

  it('are uploaded, several at once, and in place only when they are whole', async () => {
    const files = [
      { name: 'one.bin', mimeType: '', buffer: content.subarray(0, 3_000_000) },
      { name: 'two.txt', mimeType: '', buffer: Buffer.from('two') },
    ];
    await person.page.getByLabel('Files to upload').setInputFiles(files);
    await person.sees('2 files uploaded to');
    expect((await readFile(at('one.bin'))).equals(files[0]!.buffer)).toBe(true);
    expect(await readFile(at('two.txt'), 'utf8')).toBe('two');
  });

  it('that cannot be read, or are not there, are told in one line, and the next one is', async () => {
    await goTo(at('nothing'));
    await person.sees(/no such file or directory/);
    await goTo(at('logs'));
    await person.sees('<i>today & more.txt');
    expect(person.faults).toEqual([]);
  });

  it('what was done is in the audit log', async () => {
    const uses = await eventually('the log has it', async () => {
      const entries = await rig.operator.get<{ details: Record<string, unknown> }[]>(
        '/v1/patchbay/audit?action=session_use&per_page=100',
      );
      return entries.map(({ details }) => `${String(details['typ'])} ${String(details['path'])}`);
    });
    expect(uses).toEqual(expect.arrayContaining([`get_file ${at('big.bin')}`, `put_file ${at('one.bin')}`]));
  });
});
