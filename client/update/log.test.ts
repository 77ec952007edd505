import { readdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { silentLog } from '#base/log';
import { RigDevice } from '../rig/device.ts';
import { DeploymentLog, uploadable } from './log.ts';

let device: RigDevice;
beforeEach(() => {
  device = new RigDevice({});
});
afterEach(() => device[Symbol.dispose]());

const write = (id: string, text: string) => {
  const log = DeploymentLog.open(device.places.store, id, silentLog);
  log.info(text, { n: 1 });
  log.close();
};
const logs = () =>
  readdirSync(device.places.store)
    .filter((file) => file.startsWith('deployments.'))
    .sort();

describe('the log of a deployment', () => {
  it('is continued after a restart; five are kept, the newest is 0000', () => {
    write('a', 'one');
    write('a', 'two');
    expect(
      DeploymentLog.open(device.places.store, 'a', silentLog)
        .messages()
        .map(({ message }) => message),
    ).toEqual(['one n=1', 'two n=1']);
    for (const id of ['b', 'c', 'd', 'e', 'f']) write(id, 'x');
    expect(logs()).toEqual(['f', 'e', 'd', 'c', 'b'].map((id, index) => `deployments.000${index}.${id}.log`));
    write('c', 'again');
    expect(logs()[0]).toBe('deployments.0000.c.log');
    expect(logs()).toHaveLength(5);
  });

  it('an id cannot lead out of the folder', () => {
    write('../../x', 'one');
    expect(logs()).toEqual(['deployments.0000..._.._x.log']);
  });

  it('UC-82 above a megabyte the newest part is sent, with a notice', () => {
    const entry = (n: number) =>
      JSON.stringify({ timestamp: new Date(0).toISOString(), level: 'info', message: `${n} ${'x'.repeat(1000)}` });
    const sent = uploadable(Array.from({ length: 2000 }, (_, n) => entry(n)).join('\n'));
    expect(JSON.stringify(sent).length).toBeLessThan(1_000_000);
    expect(sent[0]?.message).toContain('TOO BIG');
    expect(sent.at(-1)?.message).toMatch(/^1999 /);
  });

  it('UC-82 lines that cannot be read are replaced, with a notice', () => {
    const good = JSON.stringify({ timestamp: new Date(0).toISOString(), level: 'info', message: 'fine' });
    expect(uploadable(`${good}\n{"cut off\n{"level":1}\n${good}\n`).map(({ message }) => message)).toEqual([
      '(THE ORIGINAL LOGS CONTAINED INVALID ENTRIES)',
      'fine',
      '(CORRUPTED LOG DATA)',
      '(CORRUPTED LOG DATA)',
      'fine',
    ]);
    expect(uploadable('')).toHaveLength(1);
  });

  it('UC-91 a folder that cannot be written costs the log only', () => {
    const file = join(device.root, 'no-folder');
    writeFileSync(file, '');
    const log = DeploymentLog.open(file, 'a', silentLog);
    log.info('lost');
    expect(log.messages()).toHaveLength(1);
    log.close();
  });
});
