import { createHash, randomBytes } from 'node:crypto';
import { execFileSync, spawnSync } from 'node:child_process';
import { chmod, mkdir, mkdtemp, readdir, readFile, rm, stat, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { silentLog } from '#base/log';
import { itWhere, mountsMissing } from '#base/where.testing';
import { TestSession } from '#addon/session.testing';
import { parser } from '#proto/validate';
import device from './device.ts';
import manifest from './manifest.ts';
import { fileTransfer, type Message } from './protocol.ts';

let folder: string;
const closing: (() => unknown)[] = [];
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'patchbay-files-'));
});
afterEach(async () => {
  for (const close of closing.splice(0)) await close();
  await rm(folder, { recursive: true });
});

const config = parser(manifest.config);
const none = new Uint8Array();

/** A device half, and how to open sessions with it. */
function start(files?: Record<string, unknown>) {
  const half = device(
    { ask: () => Promise.reject(new Error('no server')), log: silentLog },
    config(files ? { Limits: { Enabled: true, FileTransfer: files } } : {}),
  );
  return {
    half,
    open() {
      const session = new TestSession(fileTransfer);
      const served = half.serve!(session);
      const end = () => (session.end(), served);
      closing.push(end);
      return Object.assign(session, { lose: end });
    },
  };
}

const session = (files?: Record<string, unknown>) => start(files).open();
const at = (name: string) => join(folder, name);
const chunk = (offset: number | undefined, body: Uint8Array = none): Message => ({
  typ: 'file_chunk',
  props: offset === undefined ? {} : { offset },
  body,
});
const get = (path: string, more: object = {}): Message => ({ typ: 'get_file', props: more, body: { path } });
const put = (path: string, more: object = {}): Message => ({ typ: 'put_file', props: {}, body: { path, ...more } });
const ack = (offset?: unknown): Message => ({ typ: 'ack', props: offset === undefined ? {} : { offset } });
const earlier = { window: 1_000_000, chunk: 65_536 };
const windows = { ...earlier, prompt: true };
type Files = ReturnType<typeof session>;
const errorOf = async (files: Files) => (await files.answer('error')).body.err;

/** Takes a download as the reference's server does; gives back the bytes. */
async function download(files: Files, path: string, more: object = {}): Promise<Buffer> {
  const parts: Uint8Array[] = [];
  let size = 0;
  files.tell(get(path, more));
  for (;;) {
    const answer = await files.answer(['file_chunk', 'error']);
    if (answer.typ === 'error') throw new Error(answer.body.err);
    expect(answer.props.offset).toBe(size);
    if (answer.body.length === 0) break;
    parts.push(answer.body);
    size += answer.body.length;
    files.tell(ack(size));
  }
  return Buffer.concat(parts);
}

async function upload(files: Files, path: string, content: Uint8Array, more: object = {}): Promise<void> {
  files.tell(put(path, more));
  const ready = await files.answer(['ack', 'error']);
  if (ready.typ === 'error') throw new Error(ready.body.err);
  expect(ready.props.offset).toBe(0);
  let acked = 0;
  for (let from = 0; from < content.length; from += 4096) {
    files.tell(chunk(from, content.subarray(from, from + 4096)));
    // Twenty chunks under way, as the reference's server has.
    while (from - acked > 20 * 4096) acked = (await files.answer('ack')).props.offset as number;
  }
  files.tell(chunk(content.length));
  for (;;) {
    const answer = await files.answer(['ack', 'error']);
    if (answer.typ === 'error') throw new Error(answer.body.err);
    if (answer.props.offset === content.length) return;
  }
}

it('E-45 A-10 stat tells of a file, a folder, and of what is not there', async () => {
  await writeFile(at('f'), 'thirteen byte');
  await chmod(at('f'), 0o640);
  const files = session();
  files.tell({ typ: 'stat', props: {}, body: { path: at('f') } });
  const { body } = await files.answer('file_info');
  expect(body).toMatchObject({ path: at('f'), size: 13, mode: 0o640, uid: process.getuid?.() });
  expect(body.modtime).toEqual((await stat(at('f'))).mtime);
  files.tell({ typ: 'stat', props: {}, body: { path: folder } });
  expect((await files.answer('file_info')).body.mode).toBe(2 ** 31 + 0o700);
  files.tell({ typ: 'stat', props: {}, body: { path: at('none') } });
  expect(await errorOf(files)).toBe(
    `failed to get file info from path '${at('none')}': stat ${at('none')}: no such file or directory`,
  );
  files.tell({ typ: 'stat', props: {}, body: { path: null } });
  expect(await errorOf(files)).toBe('invalid request parameters: path: cannot be blank.');
});

it('E-46 a stock peer gets chunks of 4096 bytes, twenty of them before its first ack', async () => {
  const content = randomBytes(200_000);
  await writeFile(at('f'), content);
  const files = session();
  let held = 0;
  files.heard = (message) => (message.typ === 'file_chunk' ? (held += message.body.length) : 0);
  files.tell(get(at('f')));
  const got: Uint8Array[] = [];
  for (let n = 0; n < 20; n++) got.push((await files.answer('file_chunk')).body);
  expect(held).toBe(20 * 4096);
  files.tell(ack(20 * 4096));
  for (let size = held; size <= content.length;) {
    const { props, body } = await files.answer('file_chunk');
    got.push(body);
    size = (props.offset as number) + body.length;
    files.tell(ack(size));
    if (body.length === 0) break;
  }
  expect(Buffer.concat(got).equals(content)).toBe(true);
  expect(Math.max(...got.map(({ length }) => length))).toBe(4096);
});

it('E-47 an empty file is its end, and the next transfer may begin at once', async () => {
  await writeFile(at('f'), '');
  const files = session();
  expect(await download(files, at('f'))).toHaveLength(0);
  expect(await download(files, at('f'))).toHaveLength(0);
});

it('E-48 FT-16 one transfer at a time; the first goes on', async () => {
  await writeFile(at('f'), randomBytes(100_000));
  const files = session();
  files.tell(get(at('f')));
  await files.answer('file_chunk');
  files.tell(get(at('f')));
  expect(await errorOf(files)).toBe('another file transfer is in progress');
  files.tell(ack(81_920));
  for (let end = false; !end;) end = (await files.answer('file_chunk')).body.length === 0;
});

it('E-49 an ack without an offset, or with one of the wrong kind, ends the download', async () => {
  await writeFile(at('f'), randomBytes(100_000));
  const files = session();
  files.tell(get(at('f')));
  files.tell(ack());
  expect(await errorOf(files)).toBe('ack message: offset property cannot be blank');
  files.tell(get(at('f')));
  files.tell(ack('many'));
  expect(await errorOf(files)).toBe('invalid offset data type: require int64');
  files.tell(ack(0));
  expect(await errorOf(files)).toBe('no file transfer in progress');
});

it('E-50 FT-6 an upload is acknowledged as a whole only when it is in place, with its mode', async () => {
  const content = randomBytes(300_001);
  const files = session();
  await upload(files, at('f'), content, { mode: 0o600 });
  expect((await readFile(at('f'))).equals(content)).toBe(true);
  expect((await stat(at('f'))).mode & 0o7777).toBe(0o600);
  await upload(files, at('g'), none);
  expect((await stat(at('g'))).mode & 0o7777).toBe(0o644);
  expect(await readdir(folder)).toEqual(['f', 'g']);
});

it('E-51 FT-17 FT-7 a chunk that is out of order ends the upload; the old file stays and nothing else', async () => {
  await writeFile(at('f'), 'old');
  const files = session();
  files.tell(put(at('f')));
  await files.answer('ack');
  files.tell(chunk(0, Buffer.alloc(4096)));
  files.tell(chunk(9000, Buffer.alloc(10)));
  expect(await errorOf(files)).toBe('received unexpected chunk offset');
  files.tell(put(at('f')));
  files.tell(chunk(undefined, Buffer.alloc(10)));
  expect(await errorOf(files)).toBe('invalid file chunk message: missing offset property');
  await files.lose();
  expect(await readFile(at('f'), 'utf8')).toBe('old');
  expect(await readdir(folder)).toEqual(['f']);
});

itWhere(
  'FT-7 a disk that is full in the middle ends the upload; the old file stays and nothing else',
  mountsMissing(),
  async () => {
    await mkdir(at('small'));
    execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=256k', 'tmpfs', at('small')]);
    try {
      await writeFile(at('small/f'), 'old');
      const files = session();
      files.tell(put(at('small/f')));
      await files.answer('ack');
      for (let from = 0; from < 1_000_000; from += 4000) files.tell(chunk(from, randomBytes(4000)));
      expect(await errorOf(files)).toMatch(/^failed to write file chunk: write .*: no space left on device$/);
      expect(await readFile(at('small/f'), 'utf8')).toBe('old');
      await upload(start().open(), at('small/g'), Buffer.from('fits'));
      expect(await readdir(at('small'))).toEqual(['f', 'g']);
    } finally {
      spawnSync('umount', ['-l', at('small')]);
    }
  },
);

it('E-52 where an upload may go', async () => {
  await mkdir(at('d'));
  await symlink(at('f'), at('link'));
  execFileSync('mkfifo', [at('pipe')]);
  const files = session();
  await upload(files, at('d'), Buffer.from('in it'), { src_path: '/home/ann/name' });
  expect(await readFile(at('d/name'), 'utf8')).toBe('in it');
  const refused = async (path: string) => upload(files, path, none).catch((error: Error) => error.message);
  expect(await refused(at('d'))).toBe('conflicting file path: cannot overwrite directory');
  expect(await refused(at('link'))).toBe('conflicting file path: cannot overwrite irregular file');
  expect(await refused(at('pipe'))).toBe('conflicting file path: cannot overwrite irregular file');
  expect(await refused(at('none/f'))).toMatch(
    /^failed to create target file: failed to create file: open .*: no such file or directory$/,
  );
});

it('E-53 an error from the peer ends a transfer without a word; what is left over is refused', async () => {
  const files = session();
  files.tell(put(at('f')));
  await files.answer('ack');
  files.tell(chunk(0, Buffer.alloc(4096)));
  await files.answer('ack');
  files.tell({ typ: 'error', props: {}, body: { err: 'enough' } });
  files.tell(chunk(4096, Buffer.alloc(4096)));
  // The first of these may still find the transfer that ends.
  files.tell({ typ: 'stat', props: {}, body: { path: folder } });
  await files.answer('file_info');
  files.tell(ack(0));
  expect(await errorOf(files)).toBe('no file transfer in progress');
  await files.lose();
  expect(await readdir(folder)).toEqual([]);
});

it('an unknown type and a broken request are refused in the words of the reference', () => {
  const { half } = start();
  const why = (code: string) => Object.assign(new Error('path must be string'), { code }) as never;
  expect(half.refuse!('chmod', why('unknown_message'))).toMatchObject({
    typ: 'error',
    body: { err: "session: filetransfer message type 'chmod' not supported", msgtype: 'chmod' },
  });
  expect(half.refuse!('stat', why('invalid_message'))).toMatchObject({
    body: { err: 'malformed request parameters: path must be string' },
  });
});

it('E-54 FT-9 FT-10 no way leads out of the chroot: not a name alike, not dots, not links', async () => {
  await mkdir(at('root'));
  await mkdir(at('root-not'));
  await writeFile(at('root/in'), 'in');
  await writeFile(at('root-not/out'), 'out');
  await symlink(at('root-not'), at('root/away'));
  await symlink(at('root/in'), at('root/near'));
  const outside = 'access denied: the target file path is outside chroot';
  const tried = async (files: Files, path: string) => {
    const [read, write] = [
      await download(files, path).then(String, (error: Error) => error.message),
      await upload(files, path, none).then(String, (error: Error) => error.message),
    ];
    files.tell({ typ: 'stat', props: {}, body: { path } });
    const seen = await files.answer(['file_info', 'error']);
    return [read, write, seen.typ === 'error' ? seen.body.err : 'seen'];
  };
  for (const FollowSymLinks of [true, false]) {
    const files = session({ Chroot: at('root'), FollowSymLinks, AllowOverwrite: true });
    expect(await tried(files, at('root-not/out'))).toEqual([outside, outside, outside]);
    expect(await tried(files, `${at('root')}/../root-not/out`)).toEqual([outside, outside, outside]);
    expect(await tried(files, at('root/away/out'))).toEqual([outside, outside, outside]);
    expect((await tried(files, at('root/in')))[2]).toBe('seen');
    await writeFile(at('root/in'), 'in');
  }
  const files = session({ Chroot: at('root') });
  const [read] = await tried(files, at('root/near'));
  expect(read).toBe('access denied: forbidden to follow the link');
  const following = session({ FollowSymLinks: true });
  expect(String(await download(following, at('root/near')))).toBe('in');
});

it('E-54 FT-8 FT-11 FT-12 each limit has its text', async () => {
  await writeFile(at('f'), 'old content');
  const refusal = async (limits: object, act: (files: Files) => Promise<unknown>) =>
    await act(session({ FollowSymLinks: true, AllowOverwrite: true, ...limits })).then(
      () => 'done',
      (error: Error) => error.message,
    );
  const down = (files: Files) => download(files, at('f'));
  const up = (files: Files) => upload(files, at('f'), Buffer.from('new'));
  expect(await refusal({ AllowOverwrite: false }, up)).toBe('access denied: forbidden to overwrite the file');
  expect(await readFile(at('f'), 'utf8')).toBe('old content');
  expect(await refusal({ MaxFileSize: 5 }, down)).toBe('access denied: the file size is over the limit');
  expect(await refusal({ MaxFileSize: 5 }, (files) => upload(files, at('n'), none, { size: 6 }))).toBe(
    'access denied: the file size is over the limit',
  );
  expect(await refusal({ OwnerGet: ['nobody'] }, down)).toBe('access denied: the file owner does not match');
  expect(await refusal({ OwnerGet: ['nobody', 'root'] }, down)).toBe('done');
  expect(await refusal({ GroupGet: ['nogroup'] }, down)).toBe('access denied: the file group does not match');
  expect(await refusal({ OwnerPut: 'nobody' }, up)).toBe('access denied: the file owner does not match');
  expect(await refusal({ RegularFilesOnly: true }, (files) => download(files, folder))).toBe(
    'access denied: only regular files are allowed',
  );
  expect(await refusal({}, (files) => upload(files, at('s'), none, { mode: 0o755 + 2 ** 23 }))).toBe(
    'access denied: the set uid mode is forbidden',
  );
  expect(await refusal({ FollowSymLinks: false }, (files) => download(files, `${folder}/./f`))).toBe(
    'access denied: forbidden to follow the link',
  );
});

it('FT-14 a set-uid mode in POSIX spelling passes, as it does upstream, unless ForbidSuid is set; no limits, no bit', async () => {
  await upload(session({ FollowSymLinks: true }), at('s'), none, { mode: 0o4711 });
  expect((await stat(at('s'))).mode & 0o7777).toBe(0o4711);
  const strict = upload(session({ FollowSymLinks: true, ForbidSuid: true }), at('t'), none, { mode: 0o4711 });
  await expect(strict).rejects.toThrow('access denied: the set uid mode is forbidden');
  await upload(session(), at('u'), none, { mode: 0o4711 });
  expect((await stat(at('u'))).mode & 0o7777).toBe(0o711);
});

it('FT-13 OwnerPut, GroupPut and Umask win over what was asked for', async () => {
  const limits = { FollowSymLinks: true, OwnerPut: 'nobody', GroupPut: 'nogroup', Umask: '027' };
  await upload(session(limits), at('f'), none, { mode: 0o777, uid: 0, gid: 0 });
  const made = await stat(at('f'));
  expect([made.mode & 0o7777, made.uid, made.gid]).toEqual([0o750, 65_534, 65_534]);
});

it('E-55 an upload that grows over the limit ends, and nothing is left of it', async () => {
  const files = session({ FollowSymLinks: true, MaxFileSize: 10_000 });
  const told = await upload(files, at('f'), Buffer.alloc(50_000)).catch((error: Error) => error.message);
  expect(told).toBe('failed to write file chunk: transmitted bytes limit exhausted');
  await files.lose();
  expect(await readdir(folder)).toEqual([]);
});

it('C-30 a lost session ends the upload and takes its temporary file', async () => {
  const files = session();
  files.tell(put(at('f')));
  await files.answer('ack');
  files.tell(chunk(0, Buffer.alloc(4096)));
  await files.answer('ack');
  expect(await readdir(folder)).toHaveLength(1);
  await files.lose();
  expect(await readdir(folder)).toEqual([]);
});

it('between our own ends chunks are large and the window is what was asked for', async () => {
  const content = randomBytes(1_500_000);
  await writeFile(at('f'), content);
  const files = session();
  let most = 0;
  files.heard = (message) => (most = Math.max(most, message.typ === 'file_chunk' ? message.body.length : 0));
  expect((await download(files, at('f'), windows)).equals(content)).toBe(true);
  expect(most).toBe(65_536);
  files.tell({ typ: 'put_file', props: windows, body: { path: at('g') } });
  expect((await files.answer('ack')).props).toMatchObject({
    grant_window: 1_000_000,
    grant_chunk: 65_536,
    grant_prompt: true,
  });
});

it('an earlier build, which acknowledges only when an eighth of its window is used up, gets its download', async () => {
  const content = randomBytes(3_000_000);
  await writeFile(at('f'), content);
  const files = session();
  files.tell(get(at('f'), earlier));
  let [got, told] = [Buffer.alloc(0), 0];
  while (got.length < content.length) {
    got = Buffer.concat([got, (await files.answer('file_chunk')).body]);
    if (got.length - told < earlier.window / 8) continue;
    told = got.length;
    files.tell(ack(told));
  }
  expect(got.equals(content)).toBe(true);
});

it('ask-11 an upload that was cut goes on where it was, in another session', async () => {
  const content = randomBytes(1_000_000);
  const named: Message = { typ: 'put_file', props: windows, body: { path: at('f'), upload: 'a1b2c3d4' } };
  const first = session();
  first.tell(named);
  await first.answer('ack');
  first.tell(chunk(0, content.subarray(0, 60_000)));
  await first.answer('ack');
  await first.lose();
  expect(await readdir(folder)).toEqual(['.f.a1b2c3d4.part']);
  const second = session();
  second.tell(named);
  const { props } = await second.answer('ack');
  expect(props.offset).toBe(60_000);
  expect(props.sha256).toBe(createHash('sha256').update(content.subarray(0, 60_000)).digest('hex'));
  second.tell(chunk(60_000, content.subarray(60_000)));
  second.tell(chunk(content.length));
  while ((await second.answer('ack')).props.offset !== content.length);
  expect((await readFile(at('f'))).equals(content)).toBe(true);
  expect(await readdir(folder)).toEqual(['f']);
});

it('ask-11 what was kept of another content is thrown away', async () => {
  await writeFile(at('.f.a1b2c3d4.part'), 'something else');
  const files = session();
  files.tell({ typ: 'put_file', props: windows, body: { path: at('f'), upload: 'a1b2c3d4' } });
  expect((await files.answer('ack')).props.offset).toBe(14);
  files.tell(chunk(0, Buffer.from('new')));
  files.tell(chunk(3));
  while ((await files.answer('ack')).props.offset !== 3);
  expect(await readFile(at('f'), 'utf8')).toBe('new');
});

it('a folder is listed with what its entries are, in as many messages as it takes', async () => {
  await mkdir(at('many'));
  for (let n = 0; n < 250; n++) await writeFile(at(`many/${String(n).padStart(3, '0')}`), 'x');
  await symlink('/etc/passwd', at('many/link'));
  const files = session();
  files.tell({ typ: 'list', body: { path: at('many') } });
  const one = await files.answer('entries');
  const two = await files.answer('entries');
  expect([one.body.more, two.body.more]).toEqual([true, false]);
  expect([...one.body.entries, ...two.body.entries].map(({ name }) => name).at(-1)).toBe('link');
  expect(one.body.entries).toHaveLength(200);
  expect(two.body.entries.at(-1)?.mode).toBe(0o777 + 2 ** 27);
});

it('a folder is made once, and the sum of the beginning of a file is told', async () => {
  const files = session();
  files.tell({ typ: 'make_folder', body: { path: at('d'), mode: 0o750 } });
  expect((await files.answer('file_info')).body.mode).toBe(2 ** 31 + 0o750);
  files.tell({ typ: 'make_folder', body: { path: at('d'), mode: 0o777 } });
  expect((await files.answer('file_info')).body.mode).toBe(2 ** 31 + 0o750);
  await writeFile(at('d/f'), 'hello world');
  files.tell({ typ: 'checksum', body: { path: at('d/f'), size: 5 } });
  const { body } = await files.answer('sum');
  expect(body).toEqual({ size: 5, sha256: createHash('sha256').update('hello').digest('hex') });
});

it('a file that does not fit is refused before it travels', async () => {
  await expect(upload(session(), at('f'), none, { size: 2 ** 50 })).rejects.toThrow('no space left on device');
});

it('a file that cannot be read says so, and the next transfer may begin', async () => {
  const files = session();
  await writeFile(at('f'), 'hello');
  // A regular file whose first page nobody can read, root neither.
  await expect(download(files, '/proc/self/mem')).rejects.toThrow(/\/proc\/self\/mem: input\/output error/);
  expect((await download(files, at('f'))).toString()).toBe('hello');
});
