import { createHash } from 'node:crypto';
import { type FileHandle, open } from 'node:fs/promises';
import { zstdDecompressSync } from 'node:zlib';
import { blockSize, parseTarHeader } from '#artifact';
import { CodedError, messageOf } from '#base/errors';
import { bad, filePath, type Head, headName, parseHead, parseSums, rowsPath, type Sum, sumsName } from './format.ts';

interface Member {
  readonly name: string;
  readonly size: number;
  /** Where its content begins. */
  readonly at: number;
}

const readSize = 1024 * 1024;
/** Of the members that are read as a whole, bytes, packed and unpacked. */
const wholeLimit = 256 * 1024 * 1024;

/** A backup that has been read once from end to end: each member is what it was when it was written, and none is missing. */
export class BackupReader implements AsyncDisposable {
  readonly head: Head;
  readonly #path: string;
  readonly #file: FileHandle;
  readonly #members: readonly Member[];

  private constructor(path: string, file: FileHandle, head: Head, members: readonly Member[]) {
    this.#path = path;
    this.#file = file;
    this.head = head;
    this.#members = members;
  }

  /** Checks all of it. Throws `bad_backup` in words for a person. `progress`: bytes that were checked. */
  static async open(path: string, progress: (bytes: number, of: number) => void): Promise<BackupReader> {
    const file = await open(path, 'r').catch((error: unknown) => {
      throw new CodedError('bad_backup', `cannot read ${path}: ${messageOf(error)}`, { cause: error });
    });
    try {
      const { size } = await file.stat();
      const members = await membersOf(path, file, size);
      const [first] = members;
      if (first?.name !== headName) throw bad(path, `it does not begin with ${headName}`);
      const last = members.at(-1);
      if (last?.name !== sumsName) throw bad(path, 'its end is missing: it was cut off');
      const head = parseHead(JSON.parse(String(await whole(path, file, first))));
      const { members: sums } = parseSums(JSON.parse(String(await whole(path, file, last))));
      await check(path, file, members.slice(0, -1), sums, (bytes) => progress(bytes, size));
      return new BackupReader(path, file, head, members);
    } catch (error) {
      await file.close();
      if (error instanceof CodedError && error.code === 'bad_backup') throw error;
      throw bad(path, messageOf(error));
    }
  }

  /** Rows of a table, a piece at a time. */
  async *rows(table: string): AsyncGenerator<unknown[][]> {
    for (const member of this.#members) {
      if (rowsPath.exec(member.name)?.[1] !== table) continue;
      const packed = await whole(this.#path, this.#file, member);
      const text = zstdDecompressSync(packed, { maxOutputLength: wholeLimit }).toString();
      const rows = text.split('\n').filter((line) => line !== '');
      yield rows.map((line) => JSON.parse(line) as unknown[]);
    }
  }

  /** The files of the data folder. */
  files(): { folder: string; name: string; size: number; content: AsyncIterable<Uint8Array> }[] {
    return this.#members.flatMap((member) => {
      const [, folder = '', name = ''] = filePath.exec(member.name) ?? [];
      return folder === '' ? [] : [{ folder, name, size: member.size, content: chunks(this.#file, member) }];
    });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#file.close();
  }
}

async function membersOf(path: string, file: FileHandle, size: number): Promise<Member[]> {
  const members: Member[] = [];
  const names = new Set<string>();
  for (let at = 0; at + blockSize <= size;) {
    const block = Buffer.alloc(blockSize);
    await file.read(block, 0, blockSize, at);
    if (block.every((byte) => byte === 0)) return members;
    const { name, size: length, type } = parseTarHeader(block, path);
    const known = name === headName || name === sumsName || rowsPath.test(name) || filePath.test(name);
    if (type !== '0' || !known) throw bad(path, `it holds "${name.slice(0, 100)}", which no backup does`);
    if (names.has(name)) throw bad(path, `it holds ${name} twice`);
    names.add(name);
    at += blockSize;
    if (length > size - at) throw bad(path, `it ends in the middle of ${name}: it was cut off`);
    members.push({ name, size: length, at });
    at += Math.ceil(length / blockSize) * blockSize;
  }
  throw bad(path, 'its end is missing: it was cut off');
}

async function check(
  path: string,
  file: FileHandle,
  members: readonly Member[],
  sums: readonly Sum[],
  progress: (bytes: number) => void,
): Promise<void> {
  const wanted = new Map(sums.map((sum) => [sum.name, sum]));
  for (const member of members) {
    const sum = wanted.get(member.name);
    if (!sum) throw bad(path, `${member.name} is not in its list`);
    wanted.delete(member.name);
    const hash = createHash('sha256');
    let read = 0;
    for await (const chunk of chunks(file, member)) {
      hash.update(chunk);
      read += chunk.length;
      progress(member.at + read);
    }
    if (hash.digest('hex') !== sum.sha256 || member.size !== sum.size) throw bad(path, `${member.name} is damaged`);
  }
  const [missing] = wanted.keys();
  if (missing !== undefined) throw bad(path, `${missing} is missing`);
}

async function* chunks(file: FileHandle, { at, size }: Member): AsyncGenerator<Uint8Array> {
  for (let done = 0; done < size;) {
    const buffer = Buffer.allocUnsafe(Math.min(readSize, size - done));
    const { bytesRead } = await file.read(buffer, 0, buffer.length, at + done);
    if (bytesRead === 0) throw new CodedError('bad_backup', 'the file became shorter while it was read');
    yield buffer.subarray(0, bytesRead);
    done += bytesRead;
  }
}

async function whole(path: string, file: FileHandle, member: Member): Promise<Buffer> {
  if (member.size > wholeLimit) throw bad(path, `${member.name} is too large`);
  const parts: Uint8Array[] = [];
  for await (const chunk of chunks(file, member)) parts.push(chunk);
  return Buffer.concat(parts);
}
