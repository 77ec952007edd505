import { appendFile, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { silentLog } from '#base/log';
import type { SessionFacts } from '../relay/session-facts.ts';
import { availableDatabases, databaseFor } from '../stage.ts';
import { openStore, type Db } from '../store/store.ts';
import { Recordings, type RecordingPolicy } from './recordings.ts';

describe.each(await availableDatabases())('recordings (server-api.md §4.7) on %s', (name) => {
  let data = '';
  let db: Db;
  beforeEach(async () => {
    data = await mkdtemp(join(tmpdir(), 'patchbay-recordings-'));
    db = await openStore(data, await databaseFor(name));
  });
  afterEach(async () => {
    await db.destroy();
    await rm(data, { recursive: true, force: true });
  });

  const made = (policy: Partial<RecordingPolicy> = {}): Recordings =>
    new Recordings(db, data, { terminals: true, limit: 1e6, total: 1e9, days: 30, minFree: 0, ...policy }, silentLog);
  const id = (n: number): string => `00000000-0000-4000-8000-${String(n).padStart(12, '0')}`;
  const session = (n: number): SessionFacts => ({
    sid: id(n),
    deviceId: 'd',
    userId: 'u',
    userName: 'u@example.com',
    kind: 'terminal',
    openedAt: new Date(),
    activeAt: new Date(),
    bytesFromDevice: 0,
    bytesToDevice: 0,
    resumes: true,
    waitsFor: undefined,
    interruptions: [],
    recorded: false,
    size: { cols: 90, rows: 20 },
    guests: [],
    shared: false,
    uses: [],
  });
  const file = (n: number): string => join(data, 'recordings', `${id(n)}.cast`);
  async function shown(recordings: Recordings, n: number): Promise<string> {
    let text = '';
    for await (const event of recordings.events(id(n))) if ('data' in event && event.type === 'o') text += event.data;
    return text;
  }

  it('nothing is recorded where the policy is off', async () => {
    expect(await made({ terminals: false }).begin(session(1))).toBeUndefined();
  });

  it('ask-45 one that a killed server was writing goes on after its last whole line, and knows what it has', async () => {
    const before = await made().begin(session(1));
    before!.output(Buffer.from('one '), 1);
    before!.output(Buffer.from('two '), 2);
    await appendFile(file(1), '[3.5,"o","torn'); // and no end of it
    const recordings = made();
    const after = await recordings.begin(session(1));
    expect(after!.seq).toBe(2);
    after!.output(Buffer.from('three'), 3);
    after!.close(true);
    expect(await shown(recordings, 1)).toBe('one two three');
    expect((await readFile(file(1), 'utf8')).split('\n')).toHaveLength(5);
    expect(await recordings.get(id(1))).toMatchObject({ state: 'complete', user_name: 'u@example.com' });
  });

  it('a character that comes in two messages is one', async () => {
    const recordings = made();
    const recorder = await recordings.begin(session(1));
    const horse = Buffer.from('🐎');
    recorder!.output(horse.subarray(0, 2), 1);
    recorder!.output(horse.subarray(2), 2);
    recorder!.output(horse.subarray(0, 3), 3);
    recorder!.close(true);
    expect(await shown(recordings, 1)).toBe('🐎\udcf0\udc9f\udc90');
  });

  it('one that reaches its limit ends, and says so', async () => {
    const recorder = await made({ limit: 1000 }).begin(session(1));
    const write = (): void => {
      for (let i = 1; i < 100; i++) recorder!.output(Buffer.alloc(100, 'x'), i);
    };
    expect(write).toThrow(/the recording of this terminal cannot go on: it has reached/);
    expect((await readFile(file(1))).length).toBeLessThan(1400);
  });

  it('a full disk, and a folder that is none, are why none begins', async () => {
    await expect(made({ minFree: 2 ** 60 }).begin(session(1))).rejects.toThrow(
      'this server records every terminal, and cannot record this one: the disk of the server is full',
    );
    expect(await readdir(join(data, 'recordings'))).toEqual([]);
    await rm(join(data, 'recordings'), { recursive: true });
    await writeFile(join(data, 'recordings'), 'a file');
    await expect(made().begin(session(2))).rejects.toThrow(/cannot record this one: E/);
    expect((await made().list({}, 10, 0)).list).toEqual([]);
  });

  it('what is too old goes, then the oldest of what is too much, and never what is being written', async () => {
    const recordings = made({ total: 3000, days: 7 });
    const open = await recordings.begin(session(9));
    for (const n of [1, 2, 3, 4]) {
      const recorder = await recordings.begin(session(n));
      recorder!.output(Buffer.alloc(1000, 'x'), 1);
      recorder!.close(true);
      const days = n === 4 ? 8 : n / 10;
      const started_ts = new Date(Date.now() - days * 86_400_000).toISOString();
      await expect.poll(async () => (await recordings.get(id(n))).state).toBe('complete');
      await db.updateTable('recordings').set({ started_ts }).where('id', '=', id(n)).execute();
    }
    await recordings.sweep();
    const left = (await recordings.list({}, 10, 0)).list.map((one) => one.id);
    expect(left).toEqual([id(9), id(1), id(2)]);
    expect((await readdir(join(data, 'recordings'))).sort()).toEqual([id(1), id(2), id(9)].map((n) => `${n}.cast`));
    await expect(recordings.remove(id(9))).rejects.toThrow('end the session first');
    open!.close(true);
    await recordings.remove(id(1));
    await expect(recordings.get(id(1))).rejects.toThrow('recording not found');
  });

  it('a name that is no id of a session finds nothing', async () => {
    await expect(made().get('../patchbay')).rejects.toThrow('recording not found');
  });
});
